/** A file of the playground, as playground/build.ts writes it into playground-files.js. */
export interface PlaygroundFile {
  path: string;
  type: string;
  etag: string;
  base64: string;
}

export const PLAYGROUND_FILES: readonly PlaygroundFile[];
