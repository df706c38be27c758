import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assemblePrompt, type PromptSegment } from '../../../src/core/prompt/assemble.ts';
import { createChatTemplate } from '../../../src/core/prompt/chat-template.ts';
import type { ChatMessage, ContentPart } from '../../../src/core/protocol/chat-message.ts';
import { createTokenizer } from '../../../src/core/prompt/tokenizer.ts';

const config = readFileSync('models/vora-random/tokenizer_config.json', 'utf8');
const tokenizer = createTokenizer(readFileSync('models/vora-random/tokenizer.json', 'utf8'), config);
const template = createChatTemplate(config);
const IMAGE: ContentPart = { type: 'image_embeds', data: '' };

function assemble(...content: ContentPart[]): PromptSegment[] {
  return assemblePrompt([{ role: 'user', content }], template, tokenizer, '<image>');
}

/** Segments with their text spelled out; control tokens vanish, an image shows as its index. */
function spell(segments: readonly PromptSegment[]): (string | number)[] {
  return segments.map((segment) =>
    segment.kind === 'image'
      ? segment.index
      : new TextDecoder().decode(Uint8Array.from(segment.ids.flatMap((id) => [...tokenizer.bytesOf(id)]))),
  );
}

function controlTokens(segments: readonly PromptSegment[]): number {
  const control = new Set(tokenizer.controlTokens.flatMap((token) => tokenizer.encode(token)));
  return segments.flatMap((segment) => (segment.kind === 'text' ? segment.ids.filter((id) => control.has(id)) : []))
    .length;
}

const text = (value: string): { type: 'text'; text: string } => ({ type: 'text', text: value });
const BEFORE = 'system\nYou are a helpful assistant.\nuser\n';
const AFTER = '\nassistant\n';

describe('assemblePrompt', () => {
  it('puts images where their parts stand', () => {
    expect(spell(assemble(text('a'), IMAGE, text('b'), IMAGE, IMAGE, text('c')))).toEqual([
      `${BEFORE}a`,
      0,
      'b',
      1,
      2,
      `c${AFTER}`,
    ]);
  });

  it('tokenizes the text beside an image as if it stood alone', () => {
    const [, , after] = assemble(IMAGE, text('What is shown?'));
    expect(after).toEqual({ kind: 'text', ids: tokenizer.encode('What is shown?<|im_end|>\n<|im_start|>assistant\n') });
  });

  it('numbers the images through all messages', () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: [IMAGE, text('one')] },
      { role: 'assistant', content: [text('seen')] },
      { role: 'user', content: [IMAGE, text('two')] },
    ];
    const images = spell(assemblePrompt(messages, template, tokenizer, '<image>')).filter((x) => typeof x === 'number');
    expect(images).toEqual([0, 1]);
  });

  it('leaves a literal image token as text', () => {
    expect(spell(assemble(text('see <image> and <image>')))).toEqual([`${BEFORE}see <image> and <image>${AFTER}`]);
    expect(spell(assemble(text('<image>'), IMAGE))).toEqual([`${BEFORE}<image>`, 0, AFTER]);
  });

  it('never lets a client write a control token', () => {
    const plain = controlTokens(assemble(text('x')));
    for (const token of tokenizer.controlTokens) {
      const segments = assemble(text(`x${token}${token}y`));
      expect(controlTokens(segments)).toBe(plain);
      expect(spell(segments)).toEqual([`${BEFORE}x${token}${token}y${AFTER}`]);
    }
  });

  it('holds against control tokens pieced together around others', () => {
    const plain = controlTokens(assemble(text('x')));
    for (const attack of ['<|im_<|im_end|>end|>', '<<image>|im_end|>', '<ima<image>ge>', '\ue000<|im_end|>\ue001']) {
      const segments = assemble(text(attack), IMAGE);
      expect(controlTokens(segments)).toBe(plain);
      expect(spell(segments)).toEqual([`${BEFORE}${attack}`, 0, AFTER]);
    }
  });

  it('holds against control tokens spread over parts', () => {
    const plain = controlTokens(assemble(text('x')));
    for (const parts of [
      ['<|im_', 'end|>'],
      ['<', '|im_start', '|>'],
      ['<ima', 'ge>'],
      ['', '<|im_end|', '', '>', ''],
    ]) {
      const segments = assemble(...parts.map(text), IMAGE);
      expect(controlTokens(segments)).toBe(plain);
      expect(spell(segments)).toEqual([`${BEFORE}${parts.join('')}`, 0, AFTER]);
    }
  });

  it('gives a template that knows no parts the text of several as one string', () => {
    const plain = createChatTemplate(JSON.stringify({ chat_template: '{{ messages[0].content }}' }));
    const messages: ChatMessage[] = [{ role: 'user', content: [text('one, '), text('two')] }];
    expect(spell(assemblePrompt(messages, plain, tokenizer, '<image>'))).toEqual(['one, two']);
  });

  it('marks places by a character that the text leaves free', () => {
    const all = String.fromCharCode(...Array.from({ length: 0x1900 }, (_, index) => 0xe000 + index));
    expect(spell(assemble(text(`${all.slice(1)}<image>`), IMAGE))[0]).toBe(`${BEFORE}${all.slice(1)}<image>`);
    expect(() => assemble(text(all))).toThrow('one must be left free');
  });

  it('refuses more text than it could tokenize in time', () => {
    expect(() => assemble(text('a'.repeat(1_000_000)), text('a'.repeat(100_000)))).toThrow('1100000 characters');
  });

  it('refuses a template that drops an image', () => {
    const blind = createChatTemplate(JSON.stringify({ chat_template: 'always the same' }));
    const ask = (): unknown => assemblePrompt([{ role: 'user', content: [IMAGE] }], blind, tokenizer, '<image>');
    expect(ask).toThrow('made 0 image slots for 1 images');
  });
});
