import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** Sections of a module, in this order (WebAssembly core specification, 5.5.2). */
const IMPORTS = 2;
const MEMORIES = 5;
const HEADER_BYTES = 8;
/** Kind of an import; limits without a maximum, since the memory that is given has one of its own. */
const MEMORY = 2;
const NO_MAXIMUM = 0;

/**
 * jSquash's AVIF decoder, but for where its memory comes from: the module imports it as `env.memory` instead of making one,
 * so that it shares that of the other decoders, with its maximum.
 */
export async function compileAvif(): Promise<Uint8Array> {
  return importMemory(await readFile(createRequire(import.meta.url).resolve('@jsquash/avif/codec/dec/avif_dec.wasm')));
}

/** Moves the one memory of a module among its imports; nothing that names functions or the memory changes by it. */
function importMemory(module: Uint8Array): Uint8Array {
  const sections = [...readSections(module)];
  const memories = sections.find(({ id }) => id === MEMORIES)?.content;
  if (memories === undefined || memories[0] !== 1) {
    throw new Error('the module has not one memory of its own');
  }
  const [minimumPages] = readLeb(memories, 2);
  const entry = [...name('env'), ...name('memory'), MEMORY, NO_MAXIMUM, ...leb(minimumPages)];
  const parts = sections
    .filter(({ id }) => id !== MEMORIES)
    .map(({ id, content }) => (id === IMPORTS ? section(id, withOneMore(content, entry)) : section(id, content)));
  return Buffer.concat([module.subarray(0, HEADER_BYTES), ...parts]);
}

function* readSections(module: Uint8Array): Generator<{ id: number; content: Uint8Array }> {
  for (let at = HEADER_BYTES; at < module.length;) {
    const [size, start] = readLeb(module, at + 1);
    yield { id: module[at] ?? 0, content: module.subarray(start, start + size) };
    at = start + size;
  }
}

function section(id: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.from([id, ...leb(content.length)]), content]);
}

function withOneMore(list: Uint8Array, entry: number[]): Uint8Array {
  const [count, start] = readLeb(list, 0);
  return Buffer.concat([Uint8Array.from(leb(count + 1)), list.subarray(start), Uint8Array.from(entry)]);
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text, 'latin1')];
}

/** Unsigned, of 32 bits at most. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function readLeb(bytes: Uint8Array, start: number): [value: number, end: number] {
  let value = 0;
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      return [value >>> 0, at + 1];
    }
  }
}
