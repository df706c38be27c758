/** Sound files that do not fit together, or not with what was asked. The message says what and what to do. */
export class BadInput extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'BadInput';
  }
}
