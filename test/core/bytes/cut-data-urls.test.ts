import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../../src/core/bytes/base64.ts';
import { concat } from '../../../src/core/bytes/concat.ts';
import { cutDataUrls } from '../../../src/core/bytes/cut-data-urls.ts';
import { createRandom } from '../../attacks/random.ts';

const PICTURE = Buffer.from(Uint8Array.from({ length: 6000 }, (_, i) => (i * 167) & 0xff)).toString('base64');
const HEAD = /data:[\w./]*;base64,/g;
const URL = `data:image/png;base64,${PICTURE}`;

/** The JSON that is left, and the base64 that was cut out, in its order. */
function cut(json: string) {
  let names = 0;
  const { pieces, cut: found } = cutDataUrls(new TextEncoder().encode(json), () => `cid:${names++}`);
  const text = new TextDecoder().decode(concat([...pieces]));
  return { text, base64: [...found.values()].map((bytes) => new TextDecoder().decode(bytes)) };
}

describe('the data URLs of a JSON text', () => {
  it('give way to names, whatever stands around them', () => {
    const json = JSON.stringify({
      'a "quoted" \\ key': [URL, 'é 😀'],
      b: { url: URL },
      c: URL.replace('image/png', 'x/Y'),
    });
    const { text, base64 } = cut(json);
    expect(JSON.parse(text)).toEqual({ 'a "quoted" \\ key': ['cid:0', 'é 😀'], b: { url: 'cid:1' }, c: 'cid:2' });
    expect(base64).toEqual([PICTURE, PICTURE, PICTURE]);
  });

  it.each<[string, string]>([
    ['is short', JSON.stringify(URL.slice(0, 4000))],
    ['has an escape in it', JSON.stringify(URL).replaceAll('/', '\\/')],
    ['is not base64', JSON.stringify(URL.replace(';base64', ''))],
    ['is none', JSON.stringify(URL.replace('data:', 'https:'))],
    ['stands within another string', JSON.stringify({ a: `see "${URL}" there` })],
    ['never ends', JSON.stringify(URL).slice(0, -1)],
    ['ends in an escaped quote', `${JSON.stringify(URL).slice(0, -1)}\\"`],
    ['has a head that never ends', JSON.stringify(`data:${'x'.repeat(5000)};base64,${PICTURE}`)],
  ])('stay where one %s', (_, json) => {
    expect(cut(json)).toEqual({ text: json, base64: [] });
  });

  it('leave a text that JSON.parse reads as before, wherever it is damaged', () => {
    const json = JSON.stringify({
      messages: [{ content: ['\\', '"', URL, '\\"', 'data:', URL] }, { url: URL, x: '\\\\' }],
    });
    for (let seed = 0; seed < 3000; seed++) {
      const random = createRandom(7, seed);
      // Marks and escapes are what a walk by quotes can stumble over; most of the text is base64.
      const at = random.below(2) === 0 ? random.below(80) : json.length - 1 - random.below(60);
      const mark = ['"', '\\', '', 'data:', '\\"', '\\\\', ',', '\n'][random.below(8)] ?? '';
      const damaged = json.slice(0, at) + mark + json.slice(at + random.below(3));
      const { text, base64 } = cut(damaged);
      const restored = text.replaceAll(/cid:(\d+)/g, (_, name) => base64[Number(name)] ?? '');
      // Not told by toBe, whose message would be pages of base64.
      expect(restored.replaceAll(HEAD, '') === damaged.replaceAll(HEAD, ''), `seed ${seed}`).toBe(true);
      // What JSON forbids within a string is no base64 either.
      const isWhole = parsed(text) !== null && base64.every(isBase64);
      expect(isWhole, `seed ${seed}`).toBe(parsed(damaged) !== null && base64.every(isBase64));
    }
  });
});

function isBase64(text: string): boolean {
  try {
    decodeBase64(text, 'text');
    return true;
  } catch {
    return false;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
