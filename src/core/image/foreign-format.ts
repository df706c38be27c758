/** ISO base media brands (MIAF, ISO/IEC 23000-22; HEIF, 23008-12) by the name under which people know them. */
const BRANDS: Record<string, string> = {
  avis: 'an AVIF sequence',
  heic: 'HEIC',
  heix: 'HEIC',
  hevc: 'HEIC',
  heim: 'HEIC',
  heis: 'HEIC',
  mif1: 'HEIF',
  msf1: 'HEIF',
};

/** The box of a file's brands is looked at so far; encoders list about eight. */
const BRANDS_MAX_BYTES = 128;

/** What a file is that no decoder here reads, and what its sender can do. */
export function foreignFormat(bytes: Uint8Array): string {
  const name = nameOf(bytes);
  return `The image is ${name ?? 'neither JPEG, PNG, WebP, AVIF nor GIF'}; send it as JPEG, PNG, WebP, AVIF or GIF`;
}

/** A HEIF of any kind but AVIF, which phones write. */
export function isHeic(bytes: Uint8Array): boolean {
  return ['HEIC', 'HEIF'].includes(nameOf(bytes) ?? '');
}

/** A picture, and no sequence, whichever of its brands comes first. */
export function isAvif(bytes: Uint8Array): boolean {
  const magic = String.fromCharCode(...bytes.subarray(0, BRANDS_MAX_BYTES));
  if (magic.slice(4, 8) !== 'ftyp' || magic.slice(8, 12) === 'avis') {
    return false;
  }
  const brands = magic.slice(8, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
  return (brands.match(/.{4}/gs) ?? []).some((brand, i) => brand === 'avif' && i !== 1);
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
