import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../../src/core/prompt/tokenizer.ts';
import { schemaExpression } from '../../../src/endpoint/grammar/json-schema.ts';
import { createTokenGrammar, isAllowed, type TokenGrammar } from '../../../src/endpoint/grammar/token-grammar.ts';
import { createVocabulary, type Vocabulary } from '../../../src/endpoint/grammar/vocabulary.ts';
import { createRandom, type Random } from '../../../src/endpoint/random.ts';
import { sample } from '../../../src/endpoint/sampler.ts';
import { randomSchema } from '../../support/random-schema.ts';

const SCHEMAS = 400;
const STEPS_MAX = 2000;
/** Ten seconds on a machine that does nothing else. */
const RUN_MAX_MS = 180_000;

const ajv = new Ajv2020({ strict: false, validateFormats: true, ownProperties: true });
addFormats.default(ajv);

function modelVocabulary(model: string): Vocabulary & { end: number } {
  const config = readFileSync(`${model}/tokenizer_config.json`, 'utf8');
  const tokenizer = createTokenizer(readFileSync(`${model}/tokenizer.json`, 'utf8'), config);
  const { vocab_size: size, eos_token_id: end } = JSON.parse(readFileSync(`${model}/config.json`, 'utf8'));
  return { ...createVocabulary(size as number, (id) => tokenizer.bytesOf(id)), end: end as number };
}

/** Every byte, and tokens that lie across the marks of JSON and inside characters. */
function crossingVocabulary(random: Random): Vocabulary & { end: number } {
  const marks = [
    '{"',
    '":',
    '": ',
    '", "',
    '"},',
    '}]',
    '],[',
    '[[',
    '"}',
    ',\n  ',
    'null',
    'true',
    'tr',
    'ue',
    '123',
    '.5',
    '-0.',
    '\\"',
    '\\u00',
    '{}',
    '"a":1',
    '\u00e9',
    'fals',
    'e,',
  ];
  const tokens = marks.map((text) => new TextEncoder().encode(text));
  for (let i = 0; i < 400; i++) {
    tokens.push(Uint8Array.from({ length: 2 + Math.floor(random() * 3) }, () => Math.floor(random() * 256)));
  }
  const texts = [...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), ...tokens, new Uint8Array()];
  return { ...createVocabulary(texts.length, (id) => texts[id] ?? new Uint8Array()), end: texts.length - 1 };
}

/** How much likelier a byte is that may bring a text to its end. */
const ENDING: Record<string, number> = { '"': 40, ']': 22, '}': 22, ',': 0, '[': 0, '{': 0, '\\': 0 };

/** Draws tokens by random logits; after a while those that bring a text to its end are likely, and it must end. */
function draw(grammar: TokenGrammar, { size, bytesOf, end }: Vocabulary & { end: number }, random: Random): string {
  const constraint = grammar.begin();
  const bytes: number[] = [];
  const wander = Math.floor(random() * 30);
  for (let steps = 0; !constraint.complete(); steps++) {
    expect(steps).toBeLessThan(STEPS_MAX);
    const allowed = constraint.allowed();
    const logits = Float32Array.from({ length: size }, (_, id) => {
      if (!isAllowed(allowed, id)) {
        return -Infinity;
      }
      const [byte = 0, ...more] = bytesOf(id);
      const ending = id === end ? 60 : more.length > 0 ? 0 : (ENDING[String.fromCharCode(byte)] ?? 20);
      return random() * 4 + (steps > wander ? ending : 0);
    });
    const token = sample(logits, { temperature: 1 + random() * 2, topK: 0, topP: 1 }, random);
    if (token === end) {
      break;
    }
    constraint.accept(token);
    bytes.push(...bytesOf(token));
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
}

describe('sampling under a schema', () => {
  it.each(['models/vora-random', 'models/vora-tiny/base', 'tokens across marks'])(
    'gives values that an independent validator accepts, at any temperature: %s',
    (name) => {
      const random = createRandom(20261124);
      const vocabulary = name.startsWith('models/') ? modelVocabulary(name) : crossingVocabulary(random);
      let valid = 0;
      for (let i = 0; i < SCHEMAS; i++) {
        const schema = randomSchema(random);
        const grammar = createTokenGrammar(schemaExpression(schema), vocabulary, new Set([vocabulary.end]));
        // The others have no value at all, such as an integer between 0.5 and 0.5.
        const text = grammar === null ? null : draw(grammar, vocabulary, random);
        const fault = text === null || ajv.validate(schema, JSON.parse(text)) ? null : text;
        expect(fault, JSON.stringify(schema)).toBeNull();
        valid += text === null ? 0 : 1;
      }
      expect(valid).toBeGreaterThan(0.95 * SCHEMAS);
    },
    RUN_MAX_MS,
  );
});
