/** ISO base media brands (MIAF, ISO/IEC 23000-22; HEIF, 23008-12) by the name under which people know them. */
const BRANDS: Record<string, string> = {
  avif: 'AVIF',
  avis: 'AVIF',
  heic: 'HEIC',
  heix: 'HEIC',
  hevc: 'HEIC',
  heim: 'HEIC',
  heis: 'HEIC',
  mif1: 'HEIF',
  msf1: 'HEIF',
};

/** What a file is that no decoder here reads, and what its sender can do. */
export function foreignFormat(bytes: Uint8Array): string {
  const name = nameOf(bytes);
  return `The image is ${name ?? 'neither JPEG, PNG, WebP nor GIF'}; send it as JPEG, PNG, WebP or GIF`;
}

function nameOf(bytes: Uint8Array): string | null {
  const magic = String.fromCharCode(...bytes.subarray(0, 12));
  if (magic.slice(4, 8) === 'ftyp') {
    return BRANDS[magic.slice(8, 12)] ?? null;
  }
  if (magic.startsWith('BM')) {
    return 'BMP';
  }
  return magic.startsWith('II*\0') || magic.startsWith('MM\0*') ? 'TIFF' : null;
}
