/** Eight tables (slicing-by-8): one lookup per byte, but eight bytes per dependency step. */
const TABLES = buildTables();

/**
 * CRC-32 of zip and PNG (polynomial 0xEDB88320, ISO 3309).
 *
 * @param seed result for the bytes before these, so that a file can be hashed piece by piece.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const aligned = bytes.byteLength - (bytes.byteLength % 8);
  let crc = ~seed;
  for (let i = 0; i < aligned; i += 8) {
    const low = view.getUint32(i, true) ^ crc;
    const high = view.getUint32(i + 4, true);
    crc =
      at(t7, low & 0xff) ^
      at(t6, (low >>> 8) & 0xff) ^
      at(t5, (low >>> 16) & 0xff) ^
      at(t4, low >>> 24) ^
      at(t3, high & 0xff) ^
      at(t2, (high >>> 8) & 0xff) ^
      at(t1, (high >>> 16) & 0xff) ^
      at(t0, high >>> 24);
  }
  for (let i = aligned; i < bytes.byteLength; i++) {
    crc = at(t0, (crc ^ view.getUint8(i)) & 0xff) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

type Tables = [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

function buildTables(): Tables {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    first[byte] = crc;
  }
  const next = (table: Int32Array) => table.map((crc) => at(first, crc & 0xff) ^ (crc >>> 8));
  const second = next(first);
  const third = next(second);
  const fourth = next(third);
  const fifth = next(fourth);
  const sixth = next(fifth);
  const seventh = next(sixth);
  return [first, second, third, fourth, fifth, sixth, seventh, next(seventh)];
}

function at(table: Int32Array, index: number): number {
  return table[index] ?? 0;
}
