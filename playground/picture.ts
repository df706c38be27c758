import type { PictureSource } from './snippets.ts';

/** The picture that is asked about, wherever it comes from. */
export type Picture =
  /** `unsaved` came from the clipboard: no file of that name is on the visitor's disk. */
  | { kind: 'file'; blob: Blob; name: string; unsaved: boolean }
  | { kind: 'sample'; blob: Blob; name: string; href: string }
  /** Fetched by the worker, never by the page. */
  | { kind: 'url'; url: string };

/** As it stands in the request: a data URL, or the URL itself. */
export async function pictureUrl(picture: Picture): Promise<string> {
  if (picture.kind === 'url') {
    return picture.url;
  }
  const { blob, name } = picture;
  const reader = new FileReader();
  return new Promise((resolve, reject) => {
    reader.addEventListener('load', () => resolve(typeof reader.result === 'string' ? reader.result : ''));
    reader.addEventListener('error', () => reject(new Error(`${name} cannot be read`)));
    reader.readAsDataURL(blob);
  });
}

/** As code finds it. A browser's data URL calls a file of unknown type octets. */
export function pictureSource(picture: Picture): PictureSource {
  if (picture.kind === 'url') {
    return picture;
  }
  const type = picture.blob.type === '' ? 'application/octet-stream' : picture.blob.type;
  return picture.kind === 'sample'
    ? { kind: 'served', href: picture.href, type }
    : { kind: 'file', name: picture.name, type };
}
