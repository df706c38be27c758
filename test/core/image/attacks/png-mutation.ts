import { crc32 } from '../../../../src/core/bytes/crc32.ts';
import type { Random } from '../../../attacks/random.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] } as const;

/** Every chunk's checksum made true, as far as the chunk list can be followed. */
export function repairPng(file: Uint8Array): Uint8Array {
  const repaired = Uint8Array.from(file);
  const view = new DataView(repaired.buffer);
  for (let at = SIGNATURE.length; at + 12 <= repaired.length;) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > repaired.length) {
      break;
    }
    view.setUint32(end, crc32(repaired.subarray(at + 4, end)));
    at = end + 4;
  }
  return repaired;
}

/**
 * A PNG of any colour type, depth and interlacing whose rows are random, filter bytes included, and may be too few or too
 * many. Its zlib stream is stored and sound, so that all of that reaches the unfilter.
 */
export function randomPng(random: Random): Uint8Array {
  const colour = random.pick([0, 2, 3, 4, 6] as const);
  const depth = random.pick(DEPTHS[colour]);
  const [width, height] = [1 + random.below(40), 1 + random.below(40)];
  const interlaced = random.chance(0.3);
  const header = [...u32(width), ...u32(height), depth, colour, 0, 0, interlaced ? 1 : 0];
  const rowBytes = 1 + Math.ceil((width * CHANNELS[colour] * depth) / 8);
  // Seven passes have a filter byte for more rows than there are.
  const wanted = rowBytes * height * (interlaced ? 2 : 1);
  const rows = Uint8Array.from({ length: random.chance(0.2) ? random.below(wanted + 99) : wanted }, (_, i) =>
    i % rowBytes === 0 && random.chance(0.98) ? random.below(5) : random.below(256),
  );
  const palette =
    colour === 3 || random.chance(0.1) ? [chunk('PLTE', randomBytes(3 * (1 + random.below(256)), random))] : [];
  return Uint8Array.from(
    [
      SIGNATURE,
      chunk('IHDR', header),
      ...palette,
      ...(random.chance(0.2) ? [chunk('tRNS', randomBytes(random.below(260), random))] : []),
      ...split(zlibStored(rows), random).map((part) => chunk('IDAT', part)),
      chunk('IEND', []),
    ].flat(),
  );
}

/** RFC 1950 around blocks of RFC 1951 that are not compressed. */
function zlibStored(bytes: Uint8Array): number[] {
  const stream = [0x78, 0x01];
  for (let at = 0; at === 0 || at < bytes.length; at += 0xffff) {
    const block = bytes.subarray(at, at + 0xffff);
    const last = at + 0xffff >= bytes.length ? 1 : 0;
    const { length } = block;
    stream.push(last, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255, ...block);
  }
  return [...stream, ...u32(adler32(bytes))];
}

function adler32(bytes: Uint8Array): number {
  let [low, high] = [1, 0];
  for (const byte of bytes) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 65_536 + low;
}

function split(bytes: number[], random: Random): number[][] {
  const at = random.chance(0.5) ? random.below(bytes.length) : bytes.length;
  return [bytes.slice(0, at), bytes.slice(at)];
}

function chunk(type: string, data: readonly number[]): number[] {
  const body = [...Array.from(type, (letter) => letter.charCodeAt(0)), ...data];
  return [...u32(data.length), ...body, ...u32(crc32(Uint8Array.from(body)))];
}

function randomBytes(length: number, random: Random): number[] {
  return Array.from({ length }, () => random.below(256));
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
