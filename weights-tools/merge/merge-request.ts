import type { ResizeMode } from '../../src/core/model/manifest.ts';

export interface ImageOptions {
  readonly mode?: ResizeMode['mode'];
  readonly minPixels?: number;
  readonly maxPixels?: number;
}

export interface AdapterArgument {
  readonly path: string;
  /** Factor of everything the adapter adds. */
  readonly weight: number;
}

/** How what several adapters add to one weight becomes one sum. `density` is the share of values that is kept, 0 to 1. */
export type CombineMethod =
  | { readonly kind: 'exact' }
  | { readonly kind: 'ties'; readonly density: number }
  | { readonly kind: 'dare'; readonly density: number; readonly seed: number };

/** Which model a command starts from: what `vora merge` and every export are asked for. */
export interface MergeRequest {
  /** A VoRA checkpoint or a plain model; for exports also a merged folder. */
  readonly path: string | null;
  /** The plain model that adapters were trained on. */
  readonly base: string | null;
  readonly adapters: readonly AdapterArgument[];
  readonly method: CombineMethod;
  /** The base's weights already lack what initialisations like PiSSA moved into the adapter. */
  readonly baseIsResidual: boolean;
  /** Take the base even though the adapter's config names another. */
  readonly trustBase: boolean;
  readonly image: ImageOptions;
}
