import type { Random } from './random.ts';

/** Sizes and counts at which readers have gone wrong before. */
const NUMBERS = [
  0n,
  1n,
  2n,
  7n,
  255n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
] as const;

const BYTES = [0, 1, 0x20, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x5d, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xff] as const;

/** A changed copy; `other` is where spliced pieces come from. */
export function mutateBytes(seed: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(seed);
  const changes = 1 + random.below(6);
  for (let change = 0; change < changes; change += 1) {
    bytes = mutateOnce(bytes, other, random);
  }
  return bytes;
}

function mutateOnce(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(random.chance(0.8) ? 16 : 256);
  switch (random.below(8)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.pick(BYTES);
      return bytes;
    case 2:
      return writeNumber(bytes, at, random);
    case 3:
      return bytes.slice(0, at);
    case 4:
      return spliced(bytes, at, length, new Uint8Array());
    case 5:
      return spliced(bytes, at, 0, bytes.slice(at, at + length));
    case 6:
      return spliced(bytes, at, random.chance(0.5) ? length : 0, other.slice(random.below(other.length), at + length));
    default:
      return spliced(
        bytes,
        at,
        0,
        Uint8Array.from({ length }, () => random.below(256)),
      );
  }
}

function writeNumber(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const near = BigInt(bytes.length) + BigInt(random.below(33)) - 16n;
  const value = random.chance(0.3) ? near : random.pick(NUMBERS);
  if (random.chance(0.5) && at + 8 <= bytes.length) {
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
  } else if (at + 4 <= bytes.length) {
    view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  }
  return bytes;
}

function spliced(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const rest = bytes.slice(at + removed);
  const result = new Uint8Array(at + added.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(rest, at + added.length);
  return result;
}

/** Values that a field of JSON may hold instead of its own; some are no JSON. */
const VALUES = [
  'null',
  'true',
  '-1',
  '0',
  '1e308',
  '1e999',
  '-0',
  '0.5',
  '9007199254740993',
  '18446744073709551615',
  '[]',
  '{}',
  '""',
  '[[[[[[[[[[]]]]]]]]]]',
  '{"__proto__":{"r":1}}',
  '"\\ud800"',
  '"(a*a*a*a*)b"',
  '".*.*.*.*.*x"',
  '"(.+)+$"',
  'NaN',
  '"' + 'q'.repeat(5000) + '"',
  '[' + '0,'.repeat(2000) + '0]',
] as const;

/** JSON text whose values were replaced, whose keys were doubled or renamed, and which may have lost its form. */
export function mutateJson(seed: string, random: Random): string {
  let text = seed;
  const changes = 1 + random.below(4);
  for (let change = 0; change < changes; change += 1) {
    text = mutateJsonOnce(text, random);
  }
  return text;
}

function mutateJsonOnce(text: string, random: Random): string {
  const members = [...text.matchAll(/"[^"\\]*":(?:"[^"\\]*"|[-\w.]+|\[[^[\]]*\]|\{[^{}]*\})/g)];
  const member = members[random.below(members.length)];
  const colon = member?.[0].indexOf('":') ?? -1;
  if (member === undefined || random.chance(0.1)) {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + random.pick(['{', '}', '[', ']', ',', ':', '"', '\\', '\0', '9', 'é']) + text.slice(at);
  }
  const [key, value] = [member[0].slice(0, colon + 1), member[0].slice(colon + 2)];
  const replaced = {
    value: `${key}:${random.pick(VALUES)}`,
    key: `${random.pick(['"__proto__"', '"constructor"', '""', '"unknown"', '"\\u0000"'])}:${value}`,
    twice: `${member[0]},${member[0]}`,
    gone: '"x":0',
  }[random.pick(['value', 'value', 'value', 'key', 'twice', 'gone'])];
  return text.slice(0, member.index) + replaced + text.slice(member.index + member[0].length);
}
