import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { assemblePrompt } from '../../src/core/prompt/assemble.ts';
import type { SeeingManifest, VisionFacts } from '../../src/core/model/manifest.ts';
import { parseChatRequest } from '../../src/core/protocol/chat-request.ts';
import { loadImageDecoder } from '../../src/endpoint/image-codecs.ts';
import { createImageReader, type ImageReader } from '../../src/endpoint/image-reader.ts';
import { createImageStore } from '../../src/endpoint/image-store.ts';
import { createModelRunner, type ModelRunner } from '../../src/endpoint/model-runner.ts';
import { createPatchSession } from '../../src/endpoint/patch-session.ts';
import { createScheduler } from '../../src/endpoint/scheduler.ts';
import { sample } from '../../src/endpoint/sampler.ts';
import { createPrompt, createSequence, type Prompt, sequenceLength } from '../../src/endpoint/sequence.ts';
import {
  goldenImage,
  type GoldenPrompt,
  goldenPrompts,
  goldenTensors,
  goldenTensorsOf,
} from '../support/golden-prompts.ts';
import { generationParams } from '../support/generation-params.ts';
import { imageEmbeds } from '../support/image-embeds.ts';
import { encodePng } from '../support/png.ts';
import { loadSeeingArtifact, type SeeingArtifact } from '../support/seeing-artifact.ts';

type Mask = VisionFacts['attentionMask'];

const GREEDY = { temperature: 0, topK: 0, topP: 1 };
const WIRE_FORMS = ['pixels', 'image_embeds f32', 'image_embeds f16', 'image_embeds bf16'] as const;

type WireForm = 'original' | (typeof WIRE_FORMS)[number];

const withImages = goldenPrompts.filter((golden) => golden.imageRuns.length > 0);

let artifact: SeeingArtifact;
let runner: ModelRunner;
let readers: Record<GoldenPrompt['mode'], ImageReader>;

beforeAll(async () => {
  artifact = await loadSeeingArtifact(inject('artifacts').onnx);
  const { graphs, manifest } = artifact;
  runner = await createModelRunner(graphs, manifest);
  const parts = {
    decoder: await loadImageDecoder(),
    embedder: await createPatchSession(graphs.patchEmbed, manifest),
    store: createImageStore(0),
  };
  readers = {
    square: createImageReader(manifest, parts),
    native: createImageReader(withNativeResize(manifest), parts),
  };
});

afterAll(() => runner?.close());

describe('the model on ONNX Runtime', () => {
  it.each(goldenPrompts)('continues as the reference does: $name', async (golden) => {
    const prompt = await readPrompt(golden, 'original', 'bidirectional');
    expect(prompt.length).toBe(golden.promptTokens);
    const { logits = [] } = await goldenTensors(`prompt-${golden.name}.safetensors`);
    const { tokens, firstLogits } = await continueGreedily(prompt, golden.greedy.length);
    expect(cosine(firstLogits, logits)).toBeGreaterThanOrEqual(0.99999);
    expect(tokens).toEqual(golden.greedy);
  });

  it.each(withImages)('differs under a causal mask, exactly as the reference does: $name', async (golden) => {
    const { tokens } = await continueGreedily(await readPrompt(golden, 'original', 'causal'), golden.greedy.length);
    expect(tokens).not.toEqual(golden.greedy);
    expect(tokens).toEqual(golden.causalGreedy);
  });

  it.each(withImages)('reads one image from every exact wire form: $name', async (golden) => {
    const { images } = await readPrompt(golden, 'original', 'bidirectional');
    expect((await readPrompt(golden, 'pixels', 'bidirectional')).images).toEqual(images);
    expect((await readPrompt(golden, 'image_embeds f32', 'bidirectional')).images).toEqual(images);
  });

  it.each(withImages.flatMap((golden) => WIRE_FORMS.map((form) => ({ name: golden.name, form, golden }))))(
    'gives the same words for $form: $name',
    async ({ golden, form }) => {
      const prompt = await readPrompt(golden, form, 'bidirectional');
      expect((await continueGreedily(prompt, golden.greedy.length)).tokens).toEqual(golden.greedy);
    },
  );

  it.each([1, 50])('computes the same when the prompt runs in pieces of %i', async (prefillTokens) => {
    for (const golden of goldenPrompts) {
      const prompt = await readPrompt(golden, 'original', 'bidirectional');
      const { tokens } = await continueGreedily(prompt, 4, prefillTokens);
      expect(tokens).toEqual(golden.greedy.slice(0, 4));
    }
  });

  it('keeps sequences apart that run in turns, and lets go of each', async () => {
    const prompts = await Promise.all(goldenPrompts.map((golden) => readPrompt(golden, 'original', 'bidirectional')));
    const scheduler = createScheduler({ maxRunning: prompts.length, maxWaiting: 0, prefillTokens: 50 });
    const sequences = prompts.map((prompt) => createSequence(prompt, generationParams()));
    scheduler.add(sequences);
    while (sequences.some((sequence) => sequence.tokens.length < 4)) {
      const work = scheduler.schedule();
      const logits = await runner.run(work);
      for (const [index, { sequence, start, length }] of work.entries()) {
        sequence.computed = start + length;
        if (sequence.computed === sequenceLength(sequence)) {
          sequence.tokens.push(sample(logits[index] ?? new Float32Array(), GREEDY, () => 0));
        }
      }
    }
    expect(runner.cached()).toBe(sequences.length);
    sequences.forEach((sequence) => runner.release(sequence));
    expect(runner.cached()).toBe(0);
    expect(sequences.map(({ tokens }) => tokens.slice(0, 4))).toEqual(
      goldenPrompts.map(({ greedy }) => greedy.slice(0, 4)),
    );
  });
});

/** The loop of the engine, without its texts and listeners. */
async function continueGreedily(
  prompt: Prompt,
  count: number,
  prefillTokens = prompt.length,
): Promise<{ tokens: number[]; firstLogits: Float32Array }> {
  const sequence = createSequence(prompt, generationParams());
  const scheduler = createScheduler({ maxRunning: 1, maxWaiting: 0, prefillTokens });
  scheduler.add([sequence]);
  let firstLogits: Float32Array | undefined;
  while (sequence.tokens.length < count) {
    const work = scheduler.schedule();
    const [logits = new Float32Array()] = await runner.run(work);
    sequence.computed += work[0]?.length ?? 0;
    if (sequence.computed === sequenceLength(sequence)) {
      firstLogits ??= logits;
      sequence.tokens.push(sample(logits, GREEDY, () => 0));
    }
  }
  runner.release(sequence);
  return { tokens: sequence.tokens, firstLogits: firstLogits ?? new Float32Array() };
}

/** A golden conversation with its images in one of the wire forms, read as the endpoint reads a request. */
async function readPrompt(golden: GoldenPrompt, form: WireForm, attentionMask: Mask): Promise<Prompt> {
  const { manifest, template, tokenizer } = artifact;
  const { messages } = parseChatRequest({ model: 'm', messages: golden.messages }, { parts: 'endpoint' });
  const segments = assemblePrompt(messages, template, tokenizer, manifest.vision.imageToken);
  const images: Float32Array[] = [];
  for (const part of messages.flatMap(({ content }) => content)) {
    if (part.type === 'image_url') {
      images.push(await readImage(part.url, golden.mode, form));
    }
  }
  return createPrompt(segments, images, { hiddenSize: hiddenSize(), attentionMask });
}

const originals = new Map<string, Promise<Float32Array>>();

async function readImage(url: string, mode: GoldenPrompt['mode'], form: WireForm): Promise<Float32Array> {
  const readUrl = (bytes: Buffer): Promise<Float32Array> =>
    readers[mode].read({ type: 'image_url', url: dataUrl(bytes), detail: 'auto' }, form);
  if (form === 'pixels') {
    return readUrl(await modelSizedPng(url, mode));
  }
  const original = originals.get(url + mode) ?? readUrl(goldenImage(url));
  originals.set(url + mode, original);
  const dtype = form === 'original' ? undefined : DTYPES[form];
  return dtype === undefined
    ? original
    : readers[mode].read({ type: 'image_embeds', data: imageEmbeds(await original, hiddenSize(), dtype) }, form);
}

const DTYPES = { 'image_embeds f32': 'f32', 'image_embeds f16': 'f16', 'image_embeds bf16': 'bf16' } as const;

function hiddenSize(): number {
  return artifact.manifest.llm.hiddenSize;
}

/** The same model on images of native resolution; its bounds are the goldens'. */
function withNativeResize(manifest: SeeingManifest): SeeingManifest {
  const resize = { mode: 'native', minPixels: 56 * 56, maxPixels: 14 * 14 * 144 } as const;
  return { ...manifest, vision: { ...manifest.vision, resize } };
}

/** The pixels that Pillow made of the image. */
async function modelSizedPng(url: string, mode: GoldenPrompt['mode']): Promise<Buffer> {
  const { file, rows, cols } = goldenTensorsOf(url, mode);
  const { pixels = [] } = await goldenTensors(file);
  const { patchSize } = artifact.manifest.vision;
  return encodePng(cols * patchSize, rows * patchSize, Uint8Array.from(pixels));
}

function dataUrl(bytes: Buffer): string {
  return `data:;base64,${bytes.toString('base64')}`;
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from(x).reduce((sum, value, index) => sum + value * (y[index] ?? NaN), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
