import { deflateSync } from 'node:zlib';
import sharp, { type AvifOptions } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watchIsolate, type IsolateMemory } from '../../bench/isolate-memory.ts';
import { buildWorker, type BuiltWorker, startBuiltWorker, type WorkerModules } from '../../examples/built-worker.ts';
import { buildArtifacts } from '../support/build-artifacts.ts';
import { flatJpeg } from '../support/flat-jpeg.ts';
import { paddedJpeg } from '../support/padded-jpeg.ts';
import { bytes, PNG_SIGNATURE, pngChunk, u32 } from '../core/image/container-bytes.ts';
import { answerEvents, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';

/** What the platform gives an isolate. */
const ISOLATE_MAX_BYTES = 128 * 1024 * 1024;
const PHOTO_BYTES = 8_000_000;

let modules: WorkerModules;
let edgeFolder: string;
let upstream: ScriptedUpstream;
/** Whether its answers stop after their first piece. */
let isSlow = false;
let worker: BuiltWorker;
let memory: IsolateMemory;

beforeAll(async () => {
  edgeFolder = (await buildArtifacts()).edge;
  modules = await buildWorker();
  upstream = await startUpstream((_, response) => {
    response.setHeader('content-type', 'text/event-stream');
    const events = answerEvents(['grey']);
    if (isSlow) {
      response.write(events[0]);
    } else {
      response.end(events.join(''));
    }
  });
});

afterAll(() => upstream.stop());

async function start(): Promise<void> {
  worker = await startBuiltWorker({ modules, edgeFolder, vars: { UPSTREAM_URL: upstream.url }, inspect: true });
  memory = await watchIsolate(await worker.inspector(), 'vora-edge');
}

async function stop(): Promise<void> {
  await memory.stop();
  await worker.stop();
}

async function post(images: readonly Uint8Array[], more: object = {}): Promise<Response> {
  const content = images.map((image) => ({
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${Buffer.from(image).toString('base64')}` },
  }));
  const body = JSON.stringify({ model: 'vora-random', messages: [{ role: 'user', content }], ...more });
  return fetch(`${worker.url}/v1/chat/completions`, { method: 'POST', body });
}

async function ask(...images: Uint8Array[]): Promise<number> {
  const response = await post(images);
  await response.text();
  return response.status;
}

/** Grey, as flatJpeg, in the format's cheapest bytes: zeros compress a thousand to one. */
function flatPng(width: number, height: number): Uint8Array {
  const header = pngChunk('IHDR', bytes(u32(width), u32(height), [8, 2, 0, 0, 0]));
  const data = deflateSync(new Uint8Array((width * 3 + 1) * height), { level: 9 });
  return bytes(PNG_SIGNATURE, header, pngChunk('IDAT', data), pngChunk('IEND', new Uint8Array()));
}

/** Noise that was compressed as photos are, of as many pixels as are taken; or, at full quality, far more to decode. */
async function noisyAvif(width: number, height: number, options: AvifOptions): Promise<Uint8Array> {
  const noise = { type: 'gaussian', mean: 128, sigma: 12 } as const;
  const picture = sharp({ create: { width, height, channels: 3, background: '#808080', noise } });
  return new Uint8Array(await picture.avif({ effort: 0, ...options }).toBuffer());
}

const photo48 = paddedJpeg(flatJpeg(8064, 6048), PHOTO_BYTES);

describe('an isolate that gets one large picture after another', () => {
  beforeAll(start);
  afterAll(stop);

  it.each([
    ['48 MP JPEG', () => [photo48], 200],
    ['12 MP progressive JPEG', () => [paddedJpeg(flatJpeg(4032, 3024, { progressive: true }), PHOTO_BYTES)], 200],
    ['100 MP progressive JPEG', () => [flatJpeg(10_000, 10_000, { progressive: true })], 413],
    ['48 MP PNG', () => [flatPng(8000, 6000)], 200],
    ['20 000 × 20 000 PNG', () => [flatPng(20_000, 20_000)], 413],
    ['two photos in one request', () => [photo48, photo48], 200],
  ] as const)('%s: answered within its memory, and so is the next request', async (_, images, status) => {
    expect(await ask(...images())).toBe(status);
    expect(await ask(flatJpeg(640, 480))).toBe(200);
    expect(await memory.peakBytes()).toBeLessThan(ISOLATE_MAX_BYTES);
  });
});

/** Its decoder shares a memory with the others, which only grows, and has the whole picture beside it. */
describe('an isolate that gets AVIF after a progressive photo', () => {
  let photo: Uint8Array;
  let full: Uint8Array;
  let heavy: Uint8Array;

  beforeAll(async () => {
    photo = await noisyAvif(2048, 1024, { quality: 60, chromaSubsampling: '4:2:0' });
    full = await noisyAvif(1600, 1200, { quality: 60, chromaSubsampling: '4:4:4' });
    heavy = await noisyAvif(1024, 1024, { lossless: true });
    await start();
    await ask(flatJpeg(4032, 3024, { progressive: true }));
    // The photo's garbage and this decoder's memory were never there together.
    await memory.restart();
  });
  afterAll(stop);

  it.each([
    ['2 MP', () => [photo], 200],
    ['2 MP, colours in full', () => [full], 200],
    ['eight of 2 MP in one request', () => Array<Uint8Array>(8).fill(photo), 200],
    ['1 MP, lossless', () => [heavy], 413],
  ] as const)('%s: answered within its memory, and so is the next request', async (_, images, status) => {
    expect(await ask(...images())).toBe(status);
    expect(await ask(flatJpeg(640, 480))).toBe(200);
    expect(await memory.peakBytes()).toBeLessThan(ISOLATE_MAX_BYTES);
  });
});

describe('an isolate that gets four large photos at once', () => {
  beforeAll(start);
  afterAll(stop);

  it('answers all of them within its memory, and the next request', async () => {
    expect(await Promise.all([ask(photo48), ask(photo48), ask(photo48), ask(photo48)])).toEqual([200, 200, 200, 200]);
    expect(await ask(flatJpeg(640, 480))).toBe(200);
    expect(await memory.peakBytes()).toBeLessThan(ISOLATE_MAX_BYTES);
  });
});

describe('an isolate whose answers take long', () => {
  beforeAll(async () => {
    await start();
    isSlow = true;
  });
  afterAll(async () => {
    isSlow = false;
    await stop();
  });

  it('holds nothing of their photos', async () => {
    const inUse: number[] = [];
    // Node ends a stream that nobody can read any more.
    const readers: unknown[] = [];
    for (let open = 0; open < 4; open++) {
      const reader = (await post([bytes(photo48, [open])], { stream: true })).body?.getReader();
      readers.push(reader);
      await reader?.read();
      await memory.restart();
      inUse.push(await memory.peakBytes());
    }
    const [first = 0, ...others] = inUse;
    expect(Math.max(...others) - first).toBeLessThan(PHOTO_BYTES / 2);
  });
});
