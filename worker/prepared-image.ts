/** An image in the form in which it travels upstream. */
export interface PreparedImage {
  part: 'image_embeds' | 'image_url';
  /** What stands before the base64 text: a data URL's head, or nothing. */
  prefix: string;
  /** Bytes whose concatenation, as base64, is the part's payload. */
  payload: Uint8Array[];
  /** Prompt tokens that the image becomes; 0 where only upstream knows. */
  tokens: number;
  /** The name under which upstream keeps it. Without a payload it stands for the image. */
  uuid?: string;
  /** Whether it was made now, or when, and where it is, if before. */
  from: 'made' | 'cache' | 'upstream';
}
