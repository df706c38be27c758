import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { answerEvents, startUpstream } from '../../test/support/scripted-upstream.ts';
import { formatTable } from '../../weights-tools/table.ts';
import { writeEdgeBundle7B } from '../edge-bundle-7b.ts';
import { watchIsolate } from '../isolate-memory.ts';

const RUNS = 3;
/** Of the first picture, with which the weights are read: no other request has it. */
const FIRST_SEED = 200;
/** Milliseconds until what is remembered of it is written. */
const SETTLE_MS = 2500;
/** More than any of the images has. */
const PROMPT_TOKENS = 10_000;

/** Requests of so many pictures each, at once. */
interface Load {
  readonly what: string;
  readonly file: string;
  readonly detail: 'auto' | 'high';
  readonly pictures: number;
  readonly requests: number;
}

const LOADS: readonly Load[] = [
  { what: 'one of 1024 patches', file: '1024.jpg', detail: 'auto', pictures: 1, requests: 1 },
  { what: 'one of 3942 patches', file: '1024.jpg', detail: 'high', pictures: 1, requests: 1 },
  { what: 'eight of 1024 patches', file: '1024.jpg', detail: 'auto', pictures: 8, requests: 1 },
  { what: 'four requests, 12 MP', file: '12mp.jpg', detail: 'auto', pictures: 1, requests: 4 },
  { what: 'four requests, progressive 12 MP', file: '12mp-progressive.jpg', detail: 'auto', pictures: 1, requests: 4 },
  { what: 'four requests, 200 MP', file: '200mp.jpg', detail: 'auto', pictures: 1, requests: 4 },
];

/**
 * The whole worker at 7B size, its requests answered by a scripted server that takes embeddings: the most that its isolate
 * holds as its engine counts it, over three times of each load, its weights read before: with garbage, and without.
 * `folder` has the pictures, `graph` is the patch embedding. Prints a table.
 */
export async function benchWholeWorker(folder: string, graph: string): Promise<void> {
  const edgeFolder = await writeEdgeBundle7B(folder, graph);
  const modules = await buildWorker();
  const upstream = await startUpstream((_, response) => {
    response.setHeader('content-type', 'text/event-stream');
    response.end(answerEvents(['grey'], PROMPT_TOKENS).join(''));
  });
  const rows: string[][] = [];
  try {
    for (const load of LOADS) {
      const row = [load.what];
      for (const counts of ['garbage too', 'what is in use'] as const) {
        const worker = await startBuiltWorker({
          modules,
          edgeFolder,
          vars: { UPSTREAM_URL: upstream.url },
          inspect: true,
        });
        const memory = await watchIsolate(await worker.inspector(), 'vora-edge', counts);
        await ask(worker.url, folder, { ...load, file: '1024.jpg', pictures: 1 }, FIRST_SEED);
        await sleep(SETTLE_MS);
        await memory.restart();
        for (let run = 0; run < RUNS; run += 1) {
          // Another picture each time, for what is remembered is not made.
          await Promise.all(
            Array.from({ length: load.requests }, (_, i) => ask(worker.url, folder, load, RUNS * i + run)),
          );
        }
        row.push(((await memory.peakBytes()) / 1_000_000).toFixed(0));
        await memory.stop();
        await worker.stop();
      }
      rows.push(row);
    }
  } finally {
    await upstream.stop();
  }
  const head = ['whole worker at 7B size, a request of', 'isolate MB', 'in use'];
  process.stdout.write(`${formatTable(head, rows)}\n`);
}

async function ask(url: string, folder: string, load: Load, seed: number): Promise<void> {
  const picture = await readFile(join(folder, load.file));
  // Bytes after a JPEG's end are no part of its picture, and make another file of it.
  const images = Array.from({ length: load.pictures }, (_, i) => Buffer.concat([picture, Buffer.of(seed, i)]));
  const content = images.map((image) => ({
    type: 'image_url',
    image_url: { url: `data:image/jpeg;base64,${image.toString('base64')}`, detail: load.detail },
  }));
  const body = JSON.stringify({ model: 'vora-random', messages: [{ role: 'user', content }] });
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
  const answer = await response.text();
  if (!response.ok) {
    throw new Error(`the worker answered ${response.status}: ${answer}`);
  }
}
