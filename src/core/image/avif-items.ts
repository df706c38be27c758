import { boxOf, type Box, fourCC, readBoxes, versionOf } from './iso-boxes.ts';

/** What a file says of its primary item, as far as it matters for decoding it (ISO/IEC 23008-12). */
export interface PrimaryItem {
  /** E.g. `av01`, `grid`, `hvc1`. */
  readonly type: string;
  /** Its properties in the order of their association. */
  readonly properties: readonly Box[];
  /** Where its data lies in the file, piece by piece. */
  readonly extents: readonly { readonly start: number; readonly end: number }[];
  /** Where the types of references between an auxiliary picture (alpha, depth) and its master stand. */
  readonly auxiliaryAt: readonly number[];
  /** Whether its colours are multiplied by its alpha. */
  readonly isPremultiplied: boolean;
}

/** Reads the `meta` box. Throws RangeError where a part is missing, or leaves the file. */
export function readPrimaryItem(view: DataView): PrimaryItem {
  const meta = boxOf(readBoxes(view, 0, view.byteLength), 'meta');
  const boxes = readBoxes(view, meta.start + 4, meta.end);
  const pitm = boxOf(boxes, 'pitm');
  const id = versionOf(view, pitm) === 0 ? view.getUint16(pitm.start + 4) : view.getUint32(pitm.start + 4);
  const references = boxes.filter(({ type }) => type === 'iref').flatMap((iref) => readReferences(view, iref));
  return {
    type: itemType(view, boxOf(boxes, 'iinf'), id),
    properties: propertiesOf(view, boxOf(boxes, 'iprp'), id),
    extents: extentsOf(view, boxes, id),
    auxiliaryAt: references.filter(({ type }) => type === 'auxl').map(({ typeAt }) => typeAt),
    isPremultiplied: references.some(({ type }) => type === 'prem'),
  };
}

function itemType(view: DataView, iinf: Box, id: number): string {
  const entries = readBoxes(view, iinf.start + (versionOf(view, iinf) === 0 ? 6 : 8), iinf.end);
  for (const entry of entries) {
    const isWide = versionOf(view, entry) > 2;
    const at = entry.start + 4;
    if ((isWide ? view.getUint32(at) : view.getUint16(at)) === id) {
      return fourCC(view, at + (isWide ? 6 : 4));
    }
  }
  throw new RangeError(`it has no item ${id}`);
}

function readReferences(view: DataView, iref: Box): { type: string; typeAt: number }[] {
  return readBoxes(view, iref.start + 4, iref.end).map(({ type, start }) => ({ type, typeAt: start - 4 }));
}

function propertiesOf(view: DataView, iprp: Box, id: number): Box[] {
  const boxes = readBoxes(view, iprp.start, iprp.end);
  const ipco = boxOf(boxes, 'ipco');
  const properties = readBoxes(view, ipco.start, ipco.end);
  return boxes
    .filter(({ type }) => type === 'ipma')
    .flatMap((ipma) => associations(view, ipma, id))
    .flatMap((index) => properties[index - 1] ?? []);
}

/** Numbers of an item's properties, from 1. */
function associations(view: DataView, ipma: Box, id: number): number[] {
  const hasWideIds = versionOf(view, ipma) > 0;
  const hasWideIndices = (view.getUint8(ipma.start + 3) & 1) === 1;
  const found: number[] = [];
  let at = ipma.start + 8;
  for (let left = view.getUint32(ipma.start + 4); left > 0; left--) {
    const item = hasWideIds ? view.getUint32(at) : view.getUint16(at);
    at += hasWideIds ? 4 : 2;
    const count = view.getUint8(at++);
    for (let i = 0; i < count; i++) {
      // The highest bit says that the property is essential.
      const index = hasWideIndices ? view.getUint16(at) & 0x7fff : view.getUint8(at) & 0x7f;
      at += hasWideIndices ? 2 : 1;
      if (item === id) {
        found.push(index);
      }
    }
  }
  return found;
}

/** The item's entry in `iloc` (ISO/IEC 14496-12, 8.11.3): in the file, or in the box `idat`. */
function extentsOf(view: DataView, boxes: readonly Box[], id: number): PrimaryItem['extents'] {
  const iloc = boxOf(boxes, 'iloc');
  const version = versionOf(view, iloc);
  let at = iloc.start + 4;
  const [offsetBytes, lengthBytes] = nibbles(view.getUint8(at));
  const [baseBytes, indexBytes] = nibbles(view.getUint8(at + 1));
  at += 2;
  const number = (bytes: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      value = value * 256 + view.getUint8(at++);
    }
    return value;
  };
  for (let left = number(version < 2 ? 2 : 4); left > 0; left--) {
    const item = number(version < 2 ? 2 : 4);
    const isInIdat = version > 0 && (number(2) & 15) === 1;
    number(2);
    const base = number(baseBytes) + (isInIdat ? boxOf(boxes, 'idat').start : 0);
    const extents = [];
    for (let more = number(2); more > 0; more--) {
      number(version > 0 ? indexBytes : 0);
      const start = base + number(offsetBytes);
      const length = number(lengthBytes);
      extents.push({ start, end: length === 0 ? view.byteLength : start + length });
    }
    if (item === id) {
      return extents;
    }
  }
  throw new RangeError(`item ${id} has no data`);
}

function nibbles(byte: number): [high: number, low: number] {
  return [byte >> 4, byte & 15];
}
