import { RequestError } from '../protocol/failure.ts';

/** The bytes are not the image that they say they are, or the model cannot take an image of this shape. */
export function invalidImage(param: string, message: string, cause?: unknown): RequestError {
  return new RequestError({ kind: 'invalid-image', param, message }, { cause });
}

/** A well-formed image of a kind that no decoder here reads. */
export function unsupportedImage(param: string, message: string): RequestError {
  return new RequestError({ kind: 'unsupported-image', param, message });
}

/** More bytes or pixels than limits.ts allows. */
export function imageTooLarge(param: string, message: string): RequestError {
  return new RequestError({ kind: 'image-too-large', param, message });
}

/** The container was fine but the decoder gave up on what is in it. */
export function damagedImage(param: string, cause?: unknown): RequestError {
  return invalidImage(param, 'The image cannot be decoded; its data is damaged', cause);
}
