import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/protocol/json-object.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { schemaExpression } from '../../../src/endpoint/grammar/json-schema.ts';
import { type Configuration, createMachine } from '../../../src/endpoint/grammar/machine.ts';
import { createTokenGrammar, isAllowed, type TokenGrammar } from '../../../src/endpoint/grammar/token-grammar.ts';
import { createVocabulary, type Vocabulary } from '../../../src/endpoint/grammar/vocabulary.ts';
import { createRandom } from '../../../src/endpoint/random.ts';
import { randomSchema } from '../../support/random-schema.ts';
import { utf8 } from '../../support/run-automaton.ts';

/** A few hundred milliseconds on a machine that does nothing else; without a bound it would be minutes. */
const ATTACK_MAX_MS = 4000;

const MANY = [
  '{"',
  '{"a',
  '":',
  '": ',
  '":"',
  '", "',
  '"}',
  '"}]',
  '[[',
  ']]',
  '],',
  'a',
  'ab',
  'abc',
  'abcd',
  'é',
  '😀',
  '\\n',
  '\\"',
  '12',
  '1.5',
  '-',
  'true',
  'null',
  'nu',
  '"a":',
  ',',
  'a',
  '{"',
  'zz',
];
/** Bytes, longer tokens, the same text twice, a control token in between, and a last token that sorts last. */
const TEXTS = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...MANY.slice(0, 9).map(utf8),
  new Uint8Array(),
  ...MANY.slice(9).map(utf8),
  Uint8Array.of(0xff, 0xff),
];
const bytesOf256 = Array.from({ length: 256 }, (_, byte) => byte);
const END = TEXTS.findIndex((text) => text.length === 0);
const vocabulary: Vocabulary = createVocabulary(TEXTS.length, (id) => TEXTS[id] ?? new Uint8Array());

function grammarOf(schema: JsonObject): TokenGrammar | null {
  return createTokenGrammar(schemaExpression(schema), vocabulary, new Set([END]));
}

describe('createTokenGrammar', () => {
  it('allows exactly the tokens after which the text goes on', () => {
    const random = createRandom(77);
    let places = 0;
    for (let i = 0; i < 150; i++) {
      const schema = randomSchema(random);
      const constraint = grammarOf(schema)?.begin();
      const { start, step } = createMachine(schemaExpression(schema));
      const after = (from: Configuration | null, id: number): Configuration | null =>
        [...(TEXTS[id] ?? [])].reduce<Configuration | null>((at, byte) => (at === null ? null : step(at, byte)), from);
      let at = start;
      for (let steps = 0; steps < 25 && at !== null && constraint?.complete() === false; steps++) {
        const here: Configuration = at;
        const allowed = constraint.allowed();
        const expected = TEXTS.map((text, id) =>
          text.length === 0 ? id === END && here.accepts : after(here, id) !== null,
        );
        expect(TEXTS.map((_, id) => isAllowed(allowed, id))).toEqual(expected);
        const open = expected.flatMap((is, id) => (is && id !== END ? [id] : []));
        const token = open[Math.floor(random() * open.length)];
        places += 1;
        if (token === undefined) {
          break;
        }
        constraint.accept(token);
        at = after(here, token);
      }
    }
    expect(places).toBeGreaterThan(1000);
  });

  it('knows the fewest bytes to an end: as many as a search finds', () => {
    const random = createRandom(78);
    let found = 0;
    for (let i = 0; i < 60; i++) {
      const { start, step } = createMachine(schemaExpression(randomSchema(random)));
      if (start === null || start.bytesLeft > 12) {
        continue;
      }
      let front = new Set([start]);
      let bytes = 0;
      for (; ![...front].some(({ accepts }) => accepts); bytes++) {
        front = new Set([...front].flatMap((at) => bytesOf256.flatMap((byte) => step(at, byte) ?? [])));
      }
      expect(start.bytesLeft).toBe(bytes);
      found += 1;
    }
    expect(found).toBeGreaterThan(20);
  });

  it('ends every text within any length that has room for it', () => {
    const random = createRandom(79);
    let hurried = 0;
    let isInTime = true;
    for (let i = 0; i < 120; i++) {
      const schema = randomSchema(random);
      const { start } = createMachine(schemaExpression(schema));
      const constraint = grammarOf(schema)?.begin();
      if (start === null || constraint === undefined) {
        continue;
      }
      const pick = (mask: Uint32Array): number => {
        const open = TEXTS.flatMap((_, id) => (id !== END && isAllowed(mask, id) ? [id] : []));
        return open[Math.floor(random() * open.length)] ?? END;
      };
      let left = start.bytesLeft + 1 + Math.floor(random() * 12);
      let isEnded = false;
      while (left > 0 && !isEnded && !constraint.complete()) {
        left -= 1;
        let token = pick(constraint.allowed());
        if (!constraint.endsWithin(token, left)) {
          hurried += 1;
          const within = constraint.allowedWithin(left);
          token = pick(within);
          isInTime &&= isAllowed(within, token) && constraint.endsWithin(token, left);
        }
        isEnded = token === END;
        constraint.accept(token);
      }
      expect(isEnded || constraint.complete()).toBe(true);
    }
    expect([hurried > 50, isInTime]).toEqual([true, true]);
  });

  it('lets go of what it keeps when that grows, and goes on as before', () => {
    // Every length is a configuration of its own.
    const constraint = grammarOf({ type: 'string', maxLength: 40_000 })?.begin();
    constraint?.accept('"'.charCodeAt(0));
    for (let i = 0; i < 40_000; i++) {
      constraint?.accept('x'.charCodeAt(0));
    }
    const allowed = constraint?.allowed() ?? new Uint32Array();
    expect(TEXTS.flatMap((_, id) => (isAllowed(allowed, id) ? [id] : []))).toEqual(['"'.charCodeAt(0)]);
  });

  it('refuses a token that it did not allow', () => {
    expect(() => grammarOf({ type: 'null' })?.begin().accept('x'.charCodeAt(0))).toThrow(/does not fit/);
  });

  it.each<[string, JsonObject, string]>([
    [
      'two ways at every bracket',
      {
        $ref: '#/$defs/a',
        $defs: {
          a: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] } },
          b: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] } },
        },
      },
      '['.repeat(60),
    ],
    [
      'thousands of properties to choose from',
      { properties: Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`p${i}`, { type: 'null' }])) },
      '{"p10":null,',
    ],
  ])('names the tokens at each place within seconds where there are %s', (_, schema, text) => {
    const constraint = grammarOf(schema)?.begin();
    for (const byte of utf8(text)) {
      const started = performance.now();
      expect(isAllowed(constraint?.allowed() ?? new Uint32Array(), byte)).toBe(true);
      expect(performance.now() - started).toBeLessThan(ATTACK_MAX_MS);
      constraint?.accept(byte);
    }
  });
});

describe('createVocabulary', () => {
  it('needs a token for every byte', () => {
    const withoutOne = (id: number): Uint8Array => (id === 7 ? new Uint8Array() : (TEXTS[id] ?? new Uint8Array()));
    expect(() => createVocabulary(TEXTS.length, withoutOne)).toThrow(RequestError);
    expect(() => createVocabulary(TEXTS.length, withoutOne)).toThrow(/255 of the 256 bytes/);
  });
});
