import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeEdgeBundle7B } from '../../bench/edge-bundle-7b.ts';
import { writeEmbedBenchGraphs } from '../../bench/embed-graphs.ts';
import { type IsolateMemory, watchIsolate } from '../../bench/isolate-memory.ts';
import { type BuiltWorker, buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { createRandom } from '../attacks/random.ts';
import { paddedJpeg } from '../support/padded-jpeg.ts';
import { answerEvents, type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts';

/** What the platform gives an isolate. */
const ISOLATE_MAX_BYTES = 128 * 1024 * 1024;
const AT_ONCE = 4;
const BURSTS = 3;
/** More than any of the images has. */
const PROMPT_TOKENS = 10_000;
const LEAVERS = 24;

let folder: string;
let upstream: ScriptedUpstream;
let worker: BuiltWorker;
let memory: IsolateMemory;
/** Of 12 megapixels, as phones save them; decoders hold all of a progressive one. */
let photo: Buffer;
let progressive: Buffer;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vora-7b-'));
  const { folded } = await writeEmbedBenchGraphs(folder);
  const edgeFolder = await writeEdgeBundle7B(folder, folded);
  const noise = { type: 'gaussian', mean: 128, sigma: 12 } as const;
  const picture = sharp({ create: { width: 4032, height: 3024, channels: 3, background: '#808080', noise } });
  photo = await picture.clone().jpeg({ quality: 80 }).toBuffer();
  progressive = await picture.clone().jpeg({ quality: 80, progressive: true }).toBuffer();
  upstream = await startUpstream((_, response) => {
    response.setHeader('content-type', 'text/event-stream');
    response.end(answerEvents(['grey'], PROMPT_TOKENS).join(''));
  });
  const modules = await buildWorker();
  const vars = { UPSTREAM_URL: upstream.url };
  worker = await startBuiltWorker({ modules, edgeFolder, vars, inspect: true });
  memory = await watchIsolate(await worker.inspector(), 'vora-edge');
}, 120_000);

afterAll(async () => {
  await memory?.stop();
  await worker?.stop();
  await upstream?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask(file: Buffer, signal?: AbortSignal): Promise<number> {
  // Bytes after a JPEG's end make another file of it, which nobody remembers.
  const image = Buffer.concat([file, Buffer.of(files++)]);
  const url = `data:image/jpeg;base64,${image.toString('base64')}`;
  const content = [{ type: 'image_url', image_url: { url } }];
  const body = JSON.stringify({ model: 'vora-random', messages: [{ role: 'user', content }] });
  const response = await fetch(`${worker.url}/v1/chat/completions`, {
    method: 'POST',
    body,
    ...(signal && { signal }),
  });
  await response.text();
  return response.status;
}

it.each([
  ['12 MP', () => photo],
  ['12 MP, progressive', () => progressive],
  ['12 MP in 20 MB', () => Buffer.from(paddedJpeg(photo, 20_900_000 - photo.length))],
])(
  `an isolate with a model of 7B size answers bursts of ${AT_ONCE} photos of %s within its memory`,
  { timeout: 120_000 },
  async (_, file) => {
    await memory.restart();
    for (let burst = 0; burst < BURSTS; burst++) {
      const statuses = await Promise.all(Array.from({ length: AT_ONCE }, () => ask(file())));
      expect(statuses).toEqual(Array(AT_ONCE).fill(200));
    }
    expect(await memory.peakBytes()).toBeLessThan(ISOLATE_MAX_BYTES);
  },
);

it('is whole again after clients that left at any moment', { timeout: 120_000 }, async () => {
  const random = createRandom(3, 0);
  for (let left = 0; left < LEAVERS; left += AT_ONCE) {
    const leavers = Array.from({ length: AT_ONCE }, async () => {
      const leaver = new AbortController();
      const answer = ask(photo, leaver.signal).catch(() => 0);
      await sleep(random.below(400));
      leaver.abort();
      return answer;
    });
    await Promise.all(leavers);
  }
  // As large as all the room for bodies: it gets in when nobody is left in it.
  expect(await ask(Buffer.from(paddedJpeg(photo, 20_900_000 - photo.length)))).toBe(200);
  expect(await Promise.all(Array.from({ length: AT_ONCE }, () => ask(photo)))).toEqual(Array(AT_ONCE).fill(200));
});
