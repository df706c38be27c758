import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MalformedFile } from '../../../src/core/bytes/malformed-file.ts';
import { createTokenizer } from '../../../src/core/prompt/tokenizer.ts';

const json = readFileSync('models/vora-random/tokenizer.json', 'utf8');
const config = readFileSync('models/vora-random/tokenizer_config.json', 'utf8');
const tokenizer = createTokenizer(json, config);

function decode(ids: readonly number[]): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    Uint8Array.from(ids.flatMap((id) => [...tokenizer.bytesOf(id)])),
  );
}

describe('createTokenizer', () => {
  it.each([
    'plain words',
    ' leading  and double ',
    'tabs\tand\r\nlines\n\n',
    'naïve 漢字 😀 e\u0301→é',
    '\ufeff\u0000\u00ad',
  ])('gives back the text of %j, byte by byte', (text) => {
    expect(decode(tokenizer.encode(text))).toBe(text.normalize('NFC'));
  });

  it('knows the byte of every single-byte token', () => {
    const bytes = new Set<number>();
    for (let id = 0; id < 256; id++) {
      const [byte, ...rest] = tokenizer.bytesOf(id);
      expect(rest).toEqual([]);
      bytes.add(byte ?? -1);
    }
    expect(bytes.size).toBe(256);
  });

  it('finds control tokens in a text, and shows none', () => {
    expect(tokenizer.controlTokens).toContain('<|im_start|>');
    const ids = tokenizer.encode('<|im_start|>a');
    expect(ids).toHaveLength(2);
    expect(decode(ids)).toBe('a');
  });

  it('has no bytes for an id outside the vocabulary', () => {
    expect(tokenizer.bytesOf(1_000_000)).toHaveLength(0);
  });

  it('refuses a tokenizer that is not byte-level', () => {
    const other = JSON.stringify({ ...(JSON.parse(json) as object), decoder: { type: 'WordPiece' } });
    expect(() => createTokenizer(other, config)).toThrow(MalformedFile);
    expect(() => createTokenizer(other, config)).toThrow('decoder.type: found "WordPiece", expected "ByteLevel"');
  });

  it.each(['', '[]', 'null', '{"a":'])('refuses %j as a file', (text) => {
    expect(() => createTokenizer(text, config)).toThrow(MalformedFile);
  });
});
