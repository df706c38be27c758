import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { goldenPrompts } from '../../support/golden-prompts.ts';
import { type LanguageSession, openLanguageSession } from '../../../weights-tools/verify/language-session.ts';
import { createPromptReader, type Prompt, type PromptReader } from '../../../weights-tools/verify/prompt.ts';
import { createImageReader } from '../../../weights-tools/verify/read-image.ts';
import { openSide, type Side } from '../../../weights-tools/verify/side.ts';
import { readGoldenPrompts } from '../export/golden-prompts.ts';
import { requestFor } from './request-for.ts';

const { onnx } = inject('artifacts');
const GOLDEN = 'test/fixtures/golden';
let side: Side;
let session: LanguageSession;
let reader: PromptReader;

beforeAll(async () => {
  side = await openSide(requestFor(onnx));
  const options = { folder: '', memoryBytes: 1e9, signal: AbortSignal.timeout(60_000) };
  session = await openLanguageSession(await side.graphs(options), side.manifest.llm);
  reader = createPromptReader(side.text ?? new Map(), await createImageReader());
});

afterAll(async () => {
  await session.close();
  await side.close();
});

/** A golden conversation of one turn as a prompt set would ask it. */
async function promptOf(name: string): Promise<Prompt> {
  const content = goldenPrompts.find((golden) => golden.name === name)?.messages[0]?.content ?? '';
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
  const [url] = parts.flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : []));
  const image = url === undefined ? null : join(GOLDEN, url);
  return reader.read({ prompt: text, image, answer: null, kind: null }, side.manifest.vision);
}

describe.each(['text-only', 'one-image', 'unicode'])('a prompt of the PyTorch reference: %s', (name) => {
  it('is tokenized, embedded and continued as there', async () => {
    const golden = (await readGoldenPrompts()).find((candidate) => candidate.name === name);
    const prompt = await promptOf(name);
    expect(await session.continueGreedily(prompt, 32)).toEqual(golden?.greedy);

    const logits = await session.logits(prompt, golden?.greedy.slice(0, 1) ?? []);
    const expected = golden?.logits.slice(-logits.length) ?? new Float32Array();
    logits.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 3);
    });
  });

  it('gives the same logits for an answer at once as token by token', async () => {
    const prompt = await promptOf(name);
    const answer = await session.continueGreedily(prompt, 5);
    const { vocabSize } = side.manifest.llm;
    const logits = await session.logits(prompt, answer);
    expect(logits).toHaveLength(answer.length * vocabSize);
    answer.forEach((token, row) => {
      const said = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
      expect(said.indexOf(Math.max(...said))).toBe(token);
    });
  });
});
