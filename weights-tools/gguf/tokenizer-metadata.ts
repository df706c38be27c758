import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';
import type { MetadataValue } from './metadata-value.ts';
import { type PreTokenizer, preTokenizer } from './pre-tokenizer.ts';
import type { SpecialTokens } from './special-tokens.ts';

const FILE = 'tokenizer.json';

/** llama.cpp's token types (include/llama.h, `llama_token_type`). */
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

const notUsed = z.literal(false, { error: 'expected false' }).nullish();
const tokenizerSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.number().int().nonnegative(), content: z.string().min(1), special: z.boolean() }))
    .default([]),
  /** llama.cpp leaves text as it is, as it does with every Qwen2 GGUF; other normalizers change what is ordinary text. */
  normalizer: z.looseObject({ type: z.literal('NFC', { error: 'expected NFC or none' }) }).nullish(),
  decoder: z.looseObject({ type: z.literal('ByteLevel', { error: 'expected ByteLevel, as GPT-2 and Qwen2 have' }) }),
  model: z.looseObject({
    type: z.literal('BPE'),
    vocab: z.looseObject({}),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    byte_fallback: notUsed,
    ignore_merges: z.boolean().default(false),
    continuing_subword_prefix: z.literal('', { error: 'expected none' }).nullish(),
    end_of_word_suffix: z.literal('', { error: 'expected none' }).nullish(),
  }),
});

/**
 * The tokenizer in llama.cpp's keys: tokens in the byte-level alphabet, one for each row of the embedding, their types,
 * the merges, the pre-tokenizer's name, the special tokens and the chat template.
 *
 * @param json tokenizer.json, parsed
 * @throws MalformedFile for a tokenizer of another kind
 */
export function tokenizerMetadata(
  json: unknown,
  { vocabSize }: Pick<LlmFacts, 'vocabSize'>,
  { bos, eos, pad, addBos, chatTemplate }: SpecialTokens,
): Map<string, MetadataValue> {
  const { model, added_tokens: added } = parseWithSchema(tokenizerSchema, FILE, json);
  const { name } = requirePreTokenizer(json, model.ignore_merges);
  const { tokens, types } = tokenList(vocabularyOf(json), added, vocabSize);
  const u32 = (key: string, value: number | undefined): [string, MetadataValue][] =>
    value === undefined ? [] : [[`tokenizer.ggml.${key}`, { type: 'u32', value }]];
  return new Map<string, MetadataValue>([
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: name }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', values: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', values: types }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', values: model.merges.map(mergeLine) }],
    // llama.cpp has one field for each kind of end; it stops at all of them alike.
    ...['eos', 'eot', 'eom'].flatMap((kind, i) => u32(`${kind}_token_id`, eos[i])),
    ...u32('bos_token_id', bos ?? undefined),
    ...u32('padding_token_id', pad ?? undefined),
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: addBos }],
    ...(chatTemplate === null ? [] : [['tokenizer.chat_template', { type: 'string', value: chatTemplate }] as const]),
  ]);
}

/** As the file has it: a parsed copy would lose a token that is spelled `__proto__`. */
function vocabularyOf(json: unknown): object {
  const model: unknown = Reflect.get(Object(json), 'model');
  return Object(Reflect.get(Object(model), 'vocab')) as object;
}

function requirePreTokenizer(json: unknown, ignoreMerges: boolean): PreTokenizer {
  const found = preTokenizer(FILE, Reflect.get(Object(json), 'pre_tokenizer'));
  if (found.ignoreMerges !== ignoreMerges) {
    const expected = `${found.ignoreMerges}, as llama.cpp's ${found.name} has it`;
    throw new MalformedFile(FILE, 'model.ignore_merges', String(ignoreMerges), expected);
  }
  return found;
}

/** Ids that no token has are filled up, as the embedding's rows are. */
function tokenList(
  vocabulary: object,
  added: readonly { id: number; content: string; special: boolean }[],
  vocabSize: number,
): { tokens: string[]; types: number[] } {
  const tokens: (string | undefined)[] = Array.from({ length: vocabSize });
  const types = Array.from({ length: vocabSize }, () => UNUSED);
  for (const [token, id] of Object.entries(vocabulary) as [string, unknown][]) {
    const at = requireId(token, id, vocabSize);
    requireFree(tokens[at], token, at);
    tokens[at] = token;
    types[at] = NORMAL;
  }
  for (const { id, content, special } of added) {
    requireFree(tokens[requireId(content, id, vocabSize)], content, id);
    tokens[id] = content;
    types[id] = special ? CONTROL : USER_DEFINED;
  }
  return { tokens: tokens.map((token, id) => token ?? `[PAD${id}]`), types };
}

function requireId(token: string, id: unknown, vocabSize: number): number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabSize) {
    const place = `token ${JSON.stringify(token.slice(0, 80))}`;
    throw new MalformedFile(FILE, place, JSON.stringify(id) ?? 'nothing', `an id below vocab_size ${vocabSize}`);
  }
  return id;
}

/** An added token may stand in the vocabulary as well, with the same id. */
function requireFree(found: string | undefined, token: string, id: number): void {
  if (found !== undefined && found !== token) {
    const both = [found, token].map((text) => JSON.stringify(text.slice(0, 80))).join(' and ');
    throw new MalformedFile(FILE, `id ${id}`, both, 'one token');
  }
}

/** A space separates the two parts, so that one within a part is written as byte-level text has it. */
function mergeLine(merge: string | readonly [string, string]): string {
  return typeof merge === 'string' ? merge : merge.map((part) => part.replaceAll(' ', 'Ġ')).join(' ');
}
