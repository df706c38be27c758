import { TORCH_ARCHIVE_RECORDS_MAX } from '../limits.ts';
import { concat } from './concat.ts';
import { crc32 } from './crc32.ts';
import { MalformedFile } from './malformed-file.ts';

/** One uncompressed member. */
export interface ZipRecord {
  /** ASCII path. */
  name: string;
  data: Uint8Array;
}

/** Record sizes and signatures of PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16. */
const LOCAL = { signature: 0x04034b50, bytes: 30 } as const;
const CENTRAL = { signature: 0x02014b50, bytes: 46 } as const;
const END = { signature: 0x06054b50, bytes: 22 } as const;
const END64 = { signature: 0x06064b50, bytes: 56 } as const;
const LOCATOR64 = { signature: 0x07064b50, bytes: 20 } as const;

const VERSION_STORED = 10;
/** Bits 3 (sizes repeated behind the data) and 11 (UTF-8 names): what torch sets. Bit 0 would be encryption. */
const FLAGS_ALLOWED = 0x0808;
/** Sentinel of a 32-bit field whose value stands in a zip64 record. */
const IN_ZIP64 = 0xffffffff;
/** An extra field that readers skip; torch pads with the same identifier. */
const PADDING_ID = 0x4246;
const EXTRA_HEADER_BYTES = 4;

/**
 * A stored zip as the bytes before and after the data of its last record, which is not copied.
 *
 * @param last `offsetMultipleOf` pads its header so that its data starts at such an offset.
 */
export function layoutStoredZip(
  records: ZipRecord[],
  last: ZipRecord & { offsetMultipleOf: number },
): { head: Uint8Array<ArrayBuffer>; tail: Uint8Array<ArrayBuffer> } {
  const head: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  const put = (part: Uint8Array) => {
    head.push(part);
    offset += part.byteLength;
  };
  for (const record of records) {
    central.push(header(CENTRAL, record, 0, offset));
    put(header(LOCAL, record, 0, offset));
    put(record.data);
  }
  central.push(header(CENTRAL, last, 0, offset));
  const unpadded = offset + LOCAL.bytes + last.name.length;
  let padding = (last.offsetMultipleOf - (unpadded % last.offsetMultipleOf)) % last.offsetMultipleOf;
  while (padding > 0 && padding < EXTRA_HEADER_BYTES) {
    padding += last.offsetMultipleOf;
  }
  put(header(LOCAL, last, padding, offset));

  const centralOffset = offset + last.data.byteLength;
  const centralBytes = central.reduce((sum, part) => sum + part.byteLength, 0);
  const end = new DataView(new ArrayBuffer(END.bytes));
  end.setUint32(0, END.signature, true);
  end.setUint16(8, central.length, true);
  end.setUint16(10, central.length, true);
  end.setUint32(12, centralBytes, true);
  end.setUint32(16, centralOffset, true);
  return { head: concat(head), tail: concat([...central, new Uint8Array(end.buffer)]) };
}

/** Local or central header of one record; both share most fields, shifted. */
function header(
  kind: typeof LOCAL | typeof CENTRAL,
  record: ZipRecord,
  extraBytes: number,
  offset: number,
): Uint8Array {
  const bytes = new Uint8Array(kind.bytes + record.name.length + extraBytes);
  const view = new DataView(bytes.buffer);
  const shift = kind === CENTRAL ? 2 : 0;
  view.setUint32(0, kind.signature, true);
  view.setUint16(4, VERSION_STORED, true);
  view.setUint16(4 + shift, VERSION_STORED, true);
  view.setUint32(14 + shift, crc32(record.data), true);
  view.setUint32(18 + shift, record.data.byteLength, true);
  view.setUint32(22 + shift, record.data.byteLength, true);
  view.setUint16(26 + shift, record.name.length, true);
  view.setUint16(28 + shift, extraBytes, true);
  if (kind === CENTRAL) {
    view.setUint32(42, offset, true);
  }
  bytes.set(new TextEncoder().encode(record.name), kind.bytes);
  if (extraBytes > 0) {
    view.setUint16(kind.bytes + record.name.length, PADDING_ID, true);
    view.setUint16(kind.bytes + record.name.length + 2, extraBytes - EXTRA_HEADER_BYTES, true);
  }
  return bytes;
}

/**
 * Members of a zip whose records are all stored, as views into `bytes`, by name.
 *
 * Stricter than zip: nothing before or behind it, no comment, no compression or encryption, no zip64 sizes, no duplicate
 * names, no overlapping records, and every CRC is checked.
 *
 * @throws MalformedFile named `name`.
 */
export function readStoredZip(bytes: Uint8Array, name: string): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (place: string, found: string, expected: string): never => {
    throw new MalformedFile(name, place, found, expected);
  };
  const { count, start, end } = readEnd(view, fail);
  const records = new Map<string, Uint8Array>();
  const spans: { name: string; start: number; end: number }[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const place = `zip entry ${i}`;
    if (at + CENTRAL.bytes > end || view.getUint32(at, true) !== CENTRAL.signature) {
      fail(place, 'no entry', 'a central directory header');
    }
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const crc = view.getUint32(at + 16, true);
    const packed = view.getUint32(at + 20, true);
    const byteLength = view.getUint32(at + 24, true);
    const nameLength = view.getUint16(at + 28, true);
    const trailing = view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    const local = view.getUint32(at + 42, true);
    if (method !== 0 || packed !== byteLength) {
      fail(place, `method ${method}, ${packed} of ${byteLength} bytes`, 'stored data');
    }
    if ((flags & ~FLAGS_ALLOWED) !== 0 || trailing !== 0) {
      fail(place, `flags ${flags}, ${trailing} extra bytes`, 'a plain entry');
    }
    const next = at + CENTRAL.bytes + nameLength;
    if (next > end) {
      fail(place, `a name of ${nameLength} bytes`, 'a name inside the directory');
    }
    const path = bytes.subarray(at + CENTRAL.bytes, next);
    const dataStart = readLocal(view, local, path, start, () => fail(place, `offset ${local}`, 'its local header'));
    if (dataStart + byteLength > start) {
      fail(place, `${byteLength} bytes at ${dataStart}`, `data before the directory at ${start}`);
    }
    const data = bytes.subarray(dataStart, dataStart + byteLength);
    const text = new TextDecoder().decode(path);
    if (records.has(text)) {
      fail(place, `a second ${text}`, 'unique names');
    }
    if (crc32(data) !== crc) {
      fail(place, 'another CRC-32', 'the one in the directory');
    }
    records.set(text, data);
    spans.push({ name: text, start: local, end: dataStart + byteLength });
    at = next;
  }
  if (at !== end) {
    fail('zip directory', `${end - at} bytes more`, `${count} entries`);
  }
  spans.sort((a, b) => a.start - b.start);
  for (const [i, span] of spans.entries()) {
    const before = spans[i - 1];
    if (before !== undefined && span.start < before.end) {
      fail('zip records', `${span.name} inside ${before.name}`, 'no overlap');
    }
  }
  return records;
}

type Fail = (place: string, found: string, expected: string) => never;

function readEnd(view: DataView, fail: Fail): { count: number; start: number; end: number } {
  const at = view.byteLength - END.bytes;
  if (at < 0 || view.getUint32(at, true) !== END.signature || view.getUint16(at + 20, true) !== 0) {
    return fail('zip end', `${view.byteLength} bytes`, 'an end record without comment as the last 22');
  }
  const count = view.getUint16(at + 10, true);
  const byteLength = view.getUint32(at + 12, true);
  const start = view.getUint32(at + 16, true);
  if (view.getUint32(at + 4, true) !== 0 || view.getUint16(at + 8, true) !== count) {
    fail('zip end', 'several disks', 'one');
  }
  if (count > TORCH_ARCHIVE_RECORDS_MAX) {
    fail('zip end', `${count} entries`, `at most ${TORCH_ARCHIVE_RECORDS_MAX}`);
  }
  const end = start + byteLength;
  if (start === IN_ZIP64 || byteLength === IN_ZIP64 || end > at) {
    fail('zip end', `a directory at ${start} of ${byteLength} bytes`, 'one before the end record');
  }
  if (end !== at) {
    checkZip64(view, { count, start, byteLength, end, at }, fail);
  }
  return { count, start, end };
}

/** torch always writes the zip64 end records too; they must lie between directory and end and say the same. */
function checkZip64(
  view: DataView,
  { count, start, byteLength, end, at }: { count: number; start: number; byteLength: number; end: number; at: number },
  fail: Fail,
): void {
  const locator = end + END64.bytes;
  const agrees =
    locator + LOCATOR64.bytes === at &&
    view.getUint32(end, true) === END64.signature &&
    view.getBigUint64(end + 4, true) === BigInt(END64.bytes - 12) &&
    view.getBigUint64(end + 24, true) === BigInt(count) &&
    view.getBigUint64(end + 32, true) === BigInt(count) &&
    view.getBigUint64(end + 40, true) === BigInt(byteLength) &&
    view.getBigUint64(end + 48, true) === BigInt(start) &&
    view.getUint32(locator, true) === LOCATOR64.signature &&
    view.getBigUint64(locator + 8, true) === BigInt(end);
  if (!agrees) {
    fail('zip end', 'other bytes before the end record', 'nothing, or zip64 records that agree with it');
  }
}

/** Offset of a record's data: its local header must name the same path. */
function readLocal(view: DataView, at: number, path: Uint8Array, limit: number, fail: () => never): number {
  if (at + LOCAL.bytes > limit || view.getUint32(at, true) !== LOCAL.signature) {
    return fail();
  }
  const nameLength = view.getUint16(at + 26, true);
  const dataStart = at + LOCAL.bytes + nameLength + view.getUint16(at + 28, true);
  if (dataStart > limit || nameLength !== path.byteLength) {
    return fail();
  }
  for (let i = 0; i < nameLength; i++) {
    if (view.getUint8(at + LOCAL.bytes + i) !== path[i]) {
      return fail();
    }
  }
  return dataStart;
}
