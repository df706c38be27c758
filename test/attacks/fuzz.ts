import { fromBytes } from '../../src/core/bytes/byte-source.ts';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { BadInput } from '../../weights-tools/bad-input.ts';
import { createRandom } from './random.ts';
import type { Target } from './target.ts';

/** An input that a reader did not take as it must. */
export interface Finding {
  readonly target: string;
  readonly index: number;
  readonly what: string;
  readonly input: Uint8Array;
}

/** The issue's own bound. */
export const HANG_MS = 1000;
/** No input is longer than some kilobytes: what needs more than this has believed a number in it. */
export const ALLOCATION_MAX_BYTES = 64 * 1024 * 1024;

/** The input of a seed and an index, always the same. */
export function makeInput(target: Target, seed: number, index: number): Uint8Array {
  return target.make(createRandom(seed, index));
}

/** Whether `input` is refused by name or accepted as what it is, in time and within memory; else what happened. */
export async function judge(target: Target, input: Uint8Array): Promise<string | null> {
  const source = fromBytes('fuzz', input);
  const before = allocated();
  const startMs = performance.now();
  const outcome = await target.read(source).then(
    (holds) => (holds ? null : 'accepted what is not so'),
    (error: unknown) => (isRefusal(error) ? null : `threw ${describe(error)}`),
  );
  const ms = performance.now() - startMs;
  const bytes = allocated() - before;
  if (ms > HANG_MS) {
    return `took ${Math.round(ms)} ms`;
  }
  return outcome ?? (bytes > ALLOCATION_MAX_BYTES ? `allocated ${bytes} bytes` : null);
}

function allocated(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A refusal names a place; a reader that read past its file's end throws something else. */
function isRefusal(error: unknown): boolean {
  return error instanceof MalformedFile || error instanceof BadInput || error instanceof RequestError;
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : String(error);
}
