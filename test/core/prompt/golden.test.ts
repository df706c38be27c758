import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assemblePrompt } from '../../../src/core/prompt/assemble.ts';
import { attentionBias } from '../../../src/core/prompt/attention-bias.ts';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';
import { imageRuns, segmentLength } from '../../../src/core/prompt/image-runs.ts';
import { createTokenizer } from '../../../src/core/prompt/tokenizer.ts';
import { parseChatRequest } from '../../../src/core/protocol/chat-request.ts';
import { goldenPrompts, goldenTensors } from '../../support/golden-prompts.ts';

const config = readFileSync('models/vora-random/tokenizer_config.json', 'utf8');
const tokenizer = createTokenizer(readFileSync('models/vora-random/tokenizer.json', 'utf8'), config);
const template = createChatTemplate(config);

describe('the reference prompts', () => {
  it.each(goldenPrompts)('equal ours: $name', async (golden) => {
    const { messages } = parseChatRequest({ model: 'm', messages: golden.messages }, { parts: 'client' });
    const segments = assemblePrompt(messages, template, tokenizer, '<image>');
    expect(segments.flatMap((segment) => (segment.kind === 'text' ? segment.ids : [-200]))).toEqual(golden.ids);

    const textIds = golden.ids.filter((id) => id !== -200).length;
    const images = golden.ids.length - textIds;
    // The images of one golden prompt are all of one size.
    const imageLengths = Array.from({ length: images }, () => (golden.promptTokens - textIds) / images);
    const runs = imageRuns(segments, imageLengths);
    expect(runs.map(({ start, length }) => [start, length])).toEqual(golden.imageRuns);

    const total = segments.reduce((sum, segment) => sum + segmentLength(segment, imageLengths), 0);
    expect(total).toBe(golden.promptTokens);
    const { mask } = await goldenTensors(`prompt-${golden.name}.safetensors`);
    const open = attentionBias(runs, 0, total, total).map((bias) => (bias === 0 ? 1 : 0));
    expect(Buffer.from(Uint8Array.from(open)).equals(Buffer.from(mask ?? []))).toBe(true);
  });

  it.each(goldenPrompts)('render as ours: $name', ({ messages, rendered }) => {
    const shown = parseChatRequest({ model: 'm', messages }, { parts: 'client' }).messages;
    const plain = shown.map(({ role, content }) => ({
      role,
      content: content.map((part) => (part.type === 'text' ? part : ({ type: 'image' } as const))),
    }));
    expect(template.render(plain)).toBe(rendered);
  });
});
