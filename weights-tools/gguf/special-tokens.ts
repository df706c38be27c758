import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';
import type { LlmFacts } from '../../src/core/model/manifest.ts';
import { parseWithSchema } from '../../src/core/model/parse-with-schema.ts';

/** llama.cpp's file format has a field for each. */
const EOS_MAX = 3;

/** What a chat needs beside the vocabulary. */
export interface SpecialTokens {
  readonly bos: number | null;
  /** One to three, the chat's own end first. */
  readonly eos: readonly number[];
  readonly pad: number | null;
  /** Whether a prompt starts with `bos` though its text does not. */
  readonly addBos: boolean;
  readonly chatTemplate: string | null;
}

const CONFIG = 'tokenizer_config.json';
const tokenText = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({
  bos_token: tokenText,
  eos_token: tokenText,
  pad_token: tokenText,
  add_bos_token: z.boolean().nullish(),
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]).nullish(),
});
const addedSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string() })).default([]),
});

/**
 * Special tokens of a model's text files: those that tokenizer_config.json names, else those of config.json. A template
 * in a file of its own comes before that in tokenizer_config.json, as in transformers.
 *
 * @throws MalformedFile
 */
export function specialTokens(
  { eosTokenIds, vocabSize }: Pick<LlmFacts, 'eosTokenIds' | 'vocabSize'>,
  {
    tokenizer,
    tokenizerConfig,
    llmConfig,
    templateFile,
  }: {
    tokenizer: unknown;
    tokenizerConfig: unknown;
    llmConfig: object;
    templateFile: string | null;
  },
): SpecialTokens {
  const config = parseWithSchema(configSchema, CONFIG, tokenizerConfig);
  const { added_tokens: added } = parseWithSchema(addedSchema, 'tokenizer.json', tokenizer);
  const idOf = (token: z.infer<typeof tokenText>): number | undefined => {
    const text = typeof token === 'string' ? token : token?.content;
    return added.find(({ content }) => content === text)?.id;
  };
  const configured = (key: string): number | undefined => {
    const id: unknown = Reflect.get(llmConfig, key);
    return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize ? id : undefined;
  };
  const bos = idOf(config.bos_token) ?? configured('bos_token_id') ?? null;
  const addBos = config.add_bos_token ?? startsWithSpecialToken(tokenizer);
  if (addBos && bos === null) {
    throw new MalformedFile(CONFIG, 'bos_token', 'nothing', 'a token of tokenizer.json, since a prompt starts with it');
  }
  const own = idOf(config.eos_token);
  const eos =
    own !== undefined && eosTokenIds.includes(own) ? [...new Set([own, ...eosTokenIds])] : [...new Set(eosTokenIds)];
  if (eos.length > EOS_MAX) {
    throw new MalformedFile(
      'generation_config.json',
      'eos_token_id',
      eos.join(', '),
      `at most ${EOS_MAX} for llama.cpp`,
    );
  }
  return {
    bos,
    eos,
    pad: idOf(config.pad_token) ?? configured('pad_token_id') ?? null,
    addBos,
    chatTemplate: templateFile ?? templateOf(config.chat_template),
  };
}

function templateOf(found: z.infer<typeof configSchema>['chat_template']): string | null {
  return Array.isArray(found) ? (found.find(({ name }) => name === 'default')?.template ?? null) : (found ?? null);
}

/** Llama 3's tokenizer puts its BOS before every text, by a template of the post-processor. */
function startsWithSpecialToken(tokenizer: unknown): boolean {
  const processor = z.looseObject({ post_processor: z.unknown() }).safeParse(tokenizer).data?.post_processor;
  const sequence = z.looseObject({ processors: z.array(z.unknown()) }).safeParse(processor);
  const template = z.looseObject({ single: z.array(z.looseObject({})).min(1) });
  return (sequence.success ? sequence.data.processors : [processor]).some((step) => {
    const first = template.safeParse(step).data?.single[0];
    return first !== undefined && 'SpecialToken' in first;
  });
}
