import { schemaExpression } from '../src/endpoint/grammar/json-schema.ts';
import { createTokenGrammar, type TokenGrammar } from '../src/endpoint/grammar/token-grammar.ts';
import { createVocabulary, type Vocabulary } from '../src/endpoint/grammar/vocabulary.ts';
import { createRandom } from '../src/endpoint/random.ts';

/** As many as Qwen2.5 has, made up: words of a few syllables, and what JSON is written with. */
const TOKENS = 152_064;
const SYLLABLES = 'an be co de en fi ga in ko lo me ni op qu ra st ti un ve wo é ü 的 是 s t'.split(' ');
const MARKS = ['{"', '": ', '":', '","', '"},', '"}', ' "', ' {', '},', '[{', ', ', 'null', 'true', 'false'];
const SCHEMA = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    code: { type: 'string', maxLength: 50 },
    count: { type: 'integer', minimum: 0, maximum: 1000 },
    words: { type: 'array', items: { type: 'string' } },
    kind: { enum: ['alpha', 'beta', 'gamma'] },
  },
  required: ['city', 'code', 'count', 'words', 'kind'],
  additionalProperties: false,
};
const TEXT =
  '{"city": "anbe co", "code": "abcdefghijklmnop", "count": 512, "words": ["an", "be", "co"], "kind": "beta"}';

/** What keeping answers to a schema costs a token, at the vocabulary of a 7B model. */
export function benchGrammar(): void {
  const texts = madeUpTokens();
  const [vocabulary, treeMs] = timed(() => createVocabulary(texts.length, (id) => texts[id] ?? new Uint8Array()));
  const [grammar, schemaMs] = timed(() => createTokenGrammar(schemaExpression(SCHEMA), vocabulary, new Set([256])));
  if (grammar === null) {
    throw new Error('a schema without a value');
  }
  console.log(`\ntokens under a JSON schema, ${texts.length} made-up tokens`);
  console.log(`  tree of all tokens, once a model    ${treeMs.toFixed(0)} ms`);
  console.log(`  schema, once                        ${schemaMs.toFixed(1)} ms`);
  for (const name of ['first text', 'same text again']) {
    const [mean, most] = walk(grammar, vocabulary);
    console.log(`  ${name.padEnd(34)}  ${mean.toFixed(2)} ms a byte, ${most.toFixed(1)} ms at most`);
  }
}

/** Mean and longest time for the tokens that may come next, byte by byte along a text. */
function walk(grammar: TokenGrammar, { size }: Vocabulary): [mean: number, most: number] {
  const constraint = grammar.begin();
  const bytes = new TextEncoder().encode(TEXT);
  const times = Array.from(bytes, (byte) => {
    const [mask, ms] = timed(() => constraint.allowed());
    if (mask.length * 32 < size) {
      throw new Error('a mask that is too short');
    }
    constraint.accept(byte);
    return ms;
  });
  return [times.reduce((sum, ms) => sum + ms, 0) / times.length, Math.max(...times)];
}

/** The bytes first, each under its own id. */
function madeUpTokens(): Uint8Array[] {
  const random = createRandom(1);
  const utf8 = new TextEncoder();
  const words = new Set(['', ...MARKS]);
  while (words.size < TOKENS - 256) {
    const syllables = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
      return SYLLABLES[Math.floor(random() * SYLLABLES.length)] ?? '';
    });
    words.add((random() < 0.5 ? ' ' : '') + syllables.join(''));
  }
  return [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...Array.from(words, (word) => utf8.encode(word)),
  ];
}

function timed<Result>(run: () => Result): [Result, number] {
  const started = performance.now();
  const result = run();
  return [result, performance.now() - started];
}
