import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { expect, it } from 'vitest';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { readGgufHeader } from '../../../weights-tools/gguf/read-header.ts';
import { tempFolder } from '../../support/checkpoint-folder.ts';
import { runInProcess } from '../../support/run-cli.ts';
import { openGguf, startLlama } from './llama-cpp.ts';
import { smallModel, TEXT_FOLDER, writeRandomMerged } from './random-merged.ts';

const TEXTS = [
  'How many birds are there? 12, 345 or 1234567?',
  "I'll see what's red.\n\n  Two   spaces\r\n and\ttabs ",
  '<|im_start|>user\nnaïve café 数字 🙂<|im_end|>',
  '',
];

it('cuts text with the tokenizer of Llama 3 as Hugging Face does, its BOS first', async () => {
  const folder = await tempFolder();
  const tokenizer = JSON.parse(await readFile(join(TEXT_FOLDER, 'tokenizer.json'), 'utf8')) as {
    pre_tokenizer: { pretokenizers: [{ pattern: { Regex: string } }] };
    model: { vocab: Record<string, number>; ignore_merges: boolean };
    added_tokens: { id: number; content: string }[];
    normalizer: unknown;
    post_processor: unknown;
  };
  const [split] = tokenizer.pre_tokenizer.pretokenizers;
  const bos = tokenizer.added_tokens.find(({ content }) => content === '<|endoftext|>')?.id ?? -1;
  const last = Math.max(...tokenizer.added_tokens.map(({ id }) => id));
  split.pattern.Regex = split.pattern.Regex.replace('|\\p{N}|', '|\\p{N}{1,3}|');
  tokenizer.model.ignore_merges = true;
  Object.defineProperty(tokenizer.model.vocab, '__proto__', { value: last + 1, enumerable: true });
  tokenizer.normalizer = null;
  tokenizer.post_processor = {
    type: 'Sequence',
    processors: [
      { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
      {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<|endoftext|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [],
        special_tokens: { '<|endoftext|>': { id: '<|endoftext|>', ids: [bos], tokens: ['<|endoftext|>'] } },
      },
    ],
  };
  const llm = smallModel({ architecture: 'llama', hiddenSize: 64, layers: 1, headDim: 16, biases: [] });
  await writeRandomMerged(join(folder, 'merged'), llm, new Map([['tokenizer.json', JSON.stringify(tokenizer)]]));
  const args = ['export', 'gguf', join(folder, 'merged'), '--type', 'f16', '--out', join(folder, 'gguf')];
  expect(await runInProcess(...args)).toMatchObject({ code: 0 });
  const path = join(folder, 'gguf/random-llama-F16.gguf');

  const { metadata } = await readGgufHeader(fromBytes(path, await readFile(path)));
  expect(metadata.get('tokenizer.ggml.pre')).toEqual({ type: 'string', value: 'llama-bpe' });
  expect(metadata.get('tokenizer.ggml.add_bos_token')).toEqual({ type: 'bool', value: true });
  expect(metadata.get('tokenizer.ggml.bos_token_id')).toEqual({ type: 'u32', value: bos });
  const tokens = metadata.get('tokenizer.ggml.tokens');
  expect(tokens?.type === 'array' ? tokens.values.slice(last, last + 3) : tokens).toEqual([
    '<|im_end|>',
    '__proto__',
    `[PAD${last + 2}]`,
  ]);

  const reference = new Tokenizer(tokenizer, {});
  const llama = await startLlama();
  const model = await openGguf(llama, path);
  for (const text of TEXTS) {
    expect(model.tokenize(text), text).toEqual(reference.encode(text, { add_special_tokens: false }).ids);
  }
  await model.dispose();
  await llama.dispose();
});
