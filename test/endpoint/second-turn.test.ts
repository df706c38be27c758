import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createImageReader } from '../../src/endpoint/image-reader.ts';
import { createImageStore } from '../../src/endpoint/image-store.ts';
import { loadImageDecoder } from '../../src/endpoint/image-codecs.ts';
import { createPatchSession } from '../../src/endpoint/patch-session.ts';
import { type RunningEndpoint, startEndpoint } from '../../src/endpoint/start.ts';
import { goldenPart } from '../support/endpoint-client.ts';
import { goldenPrompts, imagesOfPart } from '../support/golden-prompts.ts';
import { imageEmbeds } from '../support/image-embeds.ts';
import { loadSeeingArtifact, type SeeingArtifact } from '../support/seeing-artifact.ts';

const PICTURES = [...new Set(goldenPrompts.filter(({ mode }) => mode === 'square').flatMap(imagesOf))].slice(0, 2);

let artifact: SeeingArtifact;
let remembers: RunningEndpoint;
let forgets: RunningEndpoint;
let embeddings: string[];

beforeAll(async () => {
  const model = inject('artifacts').onnx;
  artifact = await loadSeeingArtifact(model);
  const { manifest, graphs } = artifact;
  const at = { model, host: '127.0.0.1', port: 0 };
  remembers = await startEndpoint(at);
  forgets = await startEndpoint({ ...at, prefixCacheBytes: 0 });
  const embedder = await createPatchSession(graphs.patchEmbed, manifest);
  const reader = createImageReader(manifest, {
    decoder: await loadImageDecoder(),
    embedder,
    store: createImageStore(0),
  });
  embeddings = await Promise.all(
    PICTURES.map(async (file) => {
      const { url } = goldenPart(file).image_url;
      const rows = await reader.read({ type: 'image_url', url, detail: 'auto' }, 'part');
      return imageEmbeds(rows, manifest.llm.hiddenSize, 'bf16');
    }),
  );
});

afterAll(async () => {
  await remembers?.stop(0);
  await forgets?.stop(0);
});

function imagesOf({ messages }: (typeof goldenPrompts)[number]): string[] {
  return messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content.flatMap(imagesOfPart)));
}

async function ask(endpoint: RunningEndpoint, messages: object[], more: object = {}): Promise<OpenAI.ChatCompletion> {
  const response = await fetch(`${endpoint.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-vora-vision': artifact.manifest.vision.sha256 },
    body: JSON.stringify({ model: 'vora-random', temperature: 0, max_tokens: 24, messages, ...more }),
  });
  return (await response.json()) as OpenAI.ChatCompletion;
}

const cached = ({ usage }: OpenAI.ChatCompletion) => usage?.prompt_tokens_details?.cached_tokens ?? 0;
const user = (...content: object[]) => ({ role: 'user', content });
const text = (words: string) => ({ type: 'text', text: words });
const embeds = (picture: number, uuid?: string) => ({ type: 'image_embeds', image_embeds: embeddings[picture], uuid });

describe('the second turn of a chat about an image', () => {
  it('reads what is new alone, and answers as if it had read all', async () => {
    const first = [user(embeds(0), text('What is this?'))];
    const answer = await ask(remembers, first);
    expect(cached(answer)).toBe(0);
    const said = answer.choices[0]?.message.content ?? '';
    const second = [...first, { role: 'assistant', content: said }, user(text('And what colour?'))];
    const [again, anew] = [await ask(remembers, second), await ask(forgets, second)];
    expect(again.choices).toEqual(anew.choices);
    expect(cached(again)).toBeGreaterThanOrEqual(answer.usage?.prompt_tokens ?? Number.NaN);
    expect(cached(anew)).toBe(0);
    expect(again.usage?.prompt_tokens).toBe(anew.usage?.prompt_tokens);
  });

  it('is right about another image, another salt, and several answers at once', async () => {
    const about = (picture: number) => [user(embeds(picture), text('Tell me more.'))];
    await ask(remembers, about(0), { cache_salt: 'one' });
    const imageTokens = artifact.manifest.vision.imageSize ** 2 / artifact.manifest.vision.patchSize ** 2;
    const cases: [object[], object, boolean][] = [
      [about(0), { cache_salt: 'one' }, true],
      [about(0), { cache_salt: 'two' }, false],
      [about(1), { cache_salt: 'one' }, false],
      [about(0), { cache_salt: 'one', n: 2 }, true],
      [about(0), { cache_salt: 'one', stream: false, max_tokens: 3 }, true],
    ];
    for (const [messages, more, knows] of cases) {
      const [found, expected] = [await ask(remembers, messages, more), await ask(forgets, messages, more)];
      expect(found.choices).toEqual(expected.choices);
      expect(cached(found) > imageTokens).toBe(knows);
    }
  });
});

it('gives logprobs that differ in their last bits only', async () => {
  const messages = [user(embeds(0), text('How likely?'))];
  const listed = async (endpoint: RunningEndpoint): Promise<number[]> =>
    (await ask(endpoint, messages, { logprobs: true })).choices[0]?.logprobs?.content?.map(({ logprob }) => logprob) ??
    [];
  await listed(remembers);
  const [found, expected] = [await listed(remembers), await listed(forgets)];
  expect(found).toHaveLength(24);
  for (const [i, logprob] of found.entries()) {
    expect(Math.abs(logprob - (expected[i] ?? Number.NaN))).toBeLessThan(1e-4);
  }
});

describe('an image under a uuid', () => {
  it('is shown again without its data, in either form', async () => {
    const question = text('What do you see?');
    const whole = await ask(forgets, [user(embeds(1, 'a'), question)]);
    expect((await ask(forgets, [user({ ...embeds(0, 'a'), image_embeds: null }, question)])).choices).toEqual(
      whole.choices,
    );
    const pixels = await ask(forgets, [user({ ...goldenPart(PICTURES[0] ?? ''), uuid: 'b' }, question)]);
    const stored = await ask(forgets, [user({ type: 'image_url', image_url: null, uuid: 'b' }, question)]);
    expect(stored.choices).toEqual(pixels.choices);
    expect(stored.choices).not.toEqual(whole.choices);
  });

  it('that is unknown is refused by name, so that it can be sent again', async () => {
    const stored = { type: 'image_embeds', image_embeds: null, uuid: 'nobody' };
    expect(await ask(remembers, [user(text('What?'), stored)])).toMatchObject({
      error: { code: 'image_not_stored', param: 'messages[0].content[1].uuid', type: 'invalid_request_error' },
    });
    expect(await ask(remembers, [user({ ...stored, uuid: undefined })])).toMatchObject({
      error: { param: 'messages[0].content[0].image_embeds', message: expect.stringContaining('data or a uuid') },
    });
  });
});
