import { unsupportedImage } from './image-failure.ts';
import type { HuffmanTable, Scan } from './jpeg-scan.ts';
import { filterScan, readHuffmanTable } from './jpeg-scan.ts';
import { JPEG, jpegSegments } from './jpeg-segments.ts';

interface FrameComponent {
  readonly id: number;
  readonly horizontal: number;
  readonly vertical: number;
}

interface Frame {
  readonly components: readonly FrameComponent[];
  /** Minimum coded units of an interleaved scan. */
  readonly mcus: number;
}

/** Huffman tables by class (0 DC, 1 AC) and number, as DHT and SOS write them: `class << 4 | number`. */
type HuffmanTables = Map<number, HuffmanTable>;

/** Bytes of marker and length before a segment's payload. */
const SEGMENT_HEADER_BYTES = 4;
/** Adobe's APP14, version 100, no flags; the last byte says how the components make a colour. */
const ADOBE = [0xff, JPEG.APP14, 0, 14, ...Array.from('Adobe', (char) => char.charCodeAt(0)), 0, 100, 0, 0, 0, 0];
const ADOBE_TRANSFORM = { rgb: 0, ycc: 1 };

/**
 * Rewrites a four-component JPEG (CMYK, YCCK) as a three-component one, without its component `dropped` (an index), for
 * decoders that know three. `transform` tells them what the three are.
 *
 * No coefficient is touched: each kept component decodes to the very samples that it has in the original. Throws
 * `unsupported-image` naming `param` where the rest would be laid out otherwise, and RangeError for damaged data.
 */
export function dropComponent(
  file: Uint8Array,
  dropped: number,
  transform: keyof typeof ADOBE_TRANSFORM,
  param: string,
): Uint8Array {
  // Bits move against byte borders, so any byte may become 0xFF and need a stuffed zero.
  const out = new Uint8Array(file.length * 2 + ADOBE.length + 1);
  let length = 0;
  const append = (bytes: ArrayLike<number>): void => {
    out.set(bytes, length);
    length += bytes.length;
  };
  const tables: HuffmanTables = new Map();
  let frame: Frame = { components: [], mcus: 0 };
  let droppedId = -1;
  let restartInterval = 0;
  let scanHeader: Uint8Array = new Uint8Array();

  append([0xff, JPEG.SOI, ...ADOBE, ADOBE_TRANSFORM[transform]]);
  for (const { marker, start, end } of jpegSegments(file)) {
    const payload = file.subarray(start, end);
    switch (marker) {
      case JPEG.SOF0:
      case JPEG.SOF1:
      case JPEG.SOF2:
        frame = readFrame(payload);
        droppedId = frame.components[dropped]?.id ?? -1;
        if (layoutDependsOn(droppedId, frame)) {
          throw unsupportedImage(param, 'The CMYK JPEG has an unusual chroma sampling; send it as RGB');
        }
        append(frameWithout(payload, dropped, marker));
        break;
      case JPEG.DHT:
        readTables(payload, tables);
        append(file.subarray(start - SEGMENT_HEADER_BYTES, end));
        break;
      case JPEG.DRI:
        restartInterval = (payload[0] ?? 0) * 256 + (payload[1] ?? 0);
        append(file.subarray(start - SEGMENT_HEADER_BYTES, end));
        break;
      case JPEG.DQT:
        append(file.subarray(start - SEGMENT_HEADER_BYTES, end));
        break;
      case JPEG.SOS:
        scanHeader = payload;
        break;
      case JPEG.SCAN_DATA: {
        const kept = scanIds(scanHeader).filter((id) => id !== droppedId);
        if (kept.length === scanHeader[0]) {
          append([0xff, JPEG.SOS, 0, scanHeader.length + 2, ...scanHeader]);
          append(payload);
        } else if (kept.length > 1) {
          append(scanHeaderWithout(scanHeader, droppedId));
          length += filterScan(payload, planScan(scanHeader, frame, tables, restartInterval, droppedId), out, length);
        } else if (kept.length === 1) {
          // A scan of one component has no MCUs: its blocks would have to change places.
          throw unsupportedImage(param, 'The CMYK JPEG has an unusual scan layout; send it as RGB');
        }
        break;
      }
    }
  }
  append([0xff, JPEG.EOI]);
  return out.subarray(0, length);
}

function readFrame(payload: Uint8Array): Frame {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const components = Array.from({ length: view.getUint8(5) }, (_, i) => {
    const sampling = view.getUint8(7 + i * 3);
    return { id: view.getUint8(6 + i * 3), horizontal: sampling >> 4, vertical: sampling & 15 };
  });
  const { horizontal, vertical } = largestSampling(components);
  if (horizontal === 0 || vertical === 0) {
    throw new RangeError('a sampling factor is zero');
  }
  return {
    components,
    mcus: Math.ceil(view.getUint16(3) / (8 * horizontal)) * Math.ceil(view.getUint16(1) / (8 * vertical)),
  };
}

function largestSampling(components: readonly FrameComponent[]): { horizontal: number; vertical: number } {
  return {
    horizontal: Math.max(...components.map(({ horizontal }) => horizontal)),
    vertical: Math.max(...components.map(({ vertical }) => vertical)),
  };
}

function layoutDependsOn(droppedId: number, frame: Frame): boolean {
  const all = largestSampling(frame.components);
  const rest = largestSampling(frame.components.filter(({ id }) => id !== droppedId));
  return all.horizontal !== rest.horizontal || all.vertical !== rest.vertical;
}

function frameWithout(payload: Uint8Array, dropped: number, marker: number): number[] {
  const components = Array.from(payload.subarray(6)).filter((_, i) => Math.floor(i / 3) !== dropped);
  const head = Array.from(payload.subarray(0, 5));
  return [0xff, marker, 0, 2 + 6 + components.length, ...head, components.length / 3, ...components];
}

/** DHT holds any number of tables: class and number, 16 counts, symbols (T.81 B.2.4.2). */
function readTables(payload: Uint8Array, tables: HuffmanTables): void {
  for (let at = 0; at + 17 <= payload.length;) {
    const counts = payload.subarray(at + 1, at + 17);
    const symbols = counts.reduce((sum, count) => sum + count, 0);
    tables.set(payload[at] ?? 0, readHuffmanTable(counts, payload.subarray(at + 17, at + 17 + symbols)));
    at += 17 + symbols;
  }
}

/** SOS: count, then id and tables of each component, then spectral and bit range (T.81 B.2.3). */
function scanIds(header: Uint8Array): number[] {
  return Array.from({ length: header[0] ?? 0 }, (_, i) => header[1 + i * 2] ?? 0);
}

function scanHeaderWithout(header: Uint8Array, droppedId: number): number[] {
  const ids = scanIds(header);
  const pairs = ids.flatMap((id, i) => (id === droppedId ? [] : [id, header[2 + i * 2] ?? 0]));
  const range = header.subarray(1 + ids.length * 2);
  return [0xff, JPEG.SOS, 0, 3 + pairs.length + range.length, pairs.length / 2, ...pairs, ...range];
}

function planScan(
  header: Uint8Array,
  frame: Frame,
  tables: HuffmanTables,
  restartInterval: number,
  droppedId: number,
): Scan {
  const ids = scanIds(header);
  const range = header.subarray(1 + ids.length * 2);
  const components = ids.map((id, i) => {
    const component = frame.components.find((candidate) => candidate.id === id);
    const selectors = header[2 + i * 2] ?? 0;
    return {
      blocks: (component?.horizontal ?? 0) * (component?.vertical ?? 0),
      dc: tables.get(selectors >> 4),
      ac: tables.get(0x10 | (selectors & 15)),
      keep: id !== droppedId,
    };
  });
  return {
    components,
    mcus: frame.mcus,
    restartInterval,
    spectralEnd: range[1] ?? 0,
    refines: (range[2] ?? 0) >> 4 > 0,
  };
}
