/** The one error for bytes that are not what they claim to be. Permanent: reading again gives the same answer. */
export class MalformedFile extends Error {
  /** File as the user knows it: a path or a base name. */
  readonly file: string;
  /** Where in the file: a byte, a tensor, a JSON field. */
  readonly place: string;
  constructor(file: string, place: string, found: string, expected: string, options?: { cause?: unknown }) {
    super(`${file}: ${place}: found ${found}, expected ${expected}`, options);
    this.name = 'MalformedFile';
    this.file = file;
    this.place = place;
  }
}
