import type { MergeRequest } from '../../../weights-tools/merge/merge-request.ts';

/** What a command line with nothing but a path asks for. */
export function requestFor(path: string): MergeRequest {
  return {
    path,
    base: null,
    adapters: [],
    method: { kind: 'exact' },
    baseIsResidual: false,
    trustBase: false,
    image: {},
  };
}
