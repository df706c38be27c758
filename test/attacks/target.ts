import type { ByteSource } from '../../src/core/bytes/byte-source.ts';
import type { Random } from './random.ts';

/** A reader of bytes from outside, and how to make bytes that almost suit it. */
export interface Target {
  readonly name: string;
  make(random: Random): Uint8Array;
  /** Reads the input; refuses it by an error that names a place, or returns whether what must hold of it does. */
  read(source: ByteSource): Promise<boolean>;
}
