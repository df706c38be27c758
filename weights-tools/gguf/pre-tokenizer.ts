import { z } from 'zod';
import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';

/** How llama.cpp cuts a text into words before BPE; its own name for it. */
export interface PreTokenizer {
  readonly name: string;
  /** A word that is a token is taken whole, whatever the merges say; part of the name's meaning in llama.cpp. */
  readonly ignoreMerges: boolean;
}

const CONTRACTIONS_AND_LETTERS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
const SIGNS_AND_SPACES = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** The patterns as tokenizer.json has them (src/llama-vocab.cpp quotes both); they differ in how digits are grouped. */
const KNOWN = new Map<string, PreTokenizer>([
  [`${CONTRACTIONS_AND_LETTERS}\\p{N}${SIGNS_AND_SPACES}`, { name: 'qwen2', ignoreMerges: false }],
  [`${CONTRACTIONS_AND_LETTERS}\\p{N}{1,3}${SIGNS_AND_SPACES}`, { name: 'llama-bpe', ignoreMerges: true }],
]);

/** One split by a pattern, then the byte-level alphabet. */
const splitSchema = z.looseObject({
  type: z.literal('Sequence'),
  pretokenizers: z.tuple([
    z.looseObject({
      type: z.literal('Split'),
      pattern: z.looseObject({ Regex: z.string() }),
      behavior: z.literal('Isolated'),
      invert: z.literal(false),
    }),
    z.looseObject({ type: z.literal('ByteLevel'), add_prefix_space: z.literal(false), use_regex: z.literal(false) }),
  ]),
});

/**
 * llama.cpp's pre-tokenizer for `pre_tokenizer` of a tokenizer.json, by its pattern. Another cut of the text gives other
 * tokens without an error, so an unknown one is refused.
 *
 * @throws MalformedFile
 */
export function preTokenizer(file: string, definition: unknown): PreTokenizer {
  const parsed = splitSchema.safeParse(definition);
  const known = parsed.success ? KNOWN.get(parsed.data.pretokenizers[0].pattern.Regex) : undefined;
  if (known === undefined) {
    const found = (JSON.stringify(definition) ?? 'nothing').slice(0, 200);
    const names = [...KNOWN.values()].map(({ name }) => name).join(' or ');
    throw new MalformedFile(file, 'pre_tokenizer', found, `the split pattern of llama.cpp's ${names}`);
  }
  return known;
}
