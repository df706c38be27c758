import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltWorker, buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import type { RunningServer } from '../../examples/processes.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { vora } from '../support/build-artifacts.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-tiny';

let folder: string;
let endpoint: RunningServer;
let worker: BuiltWorker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vora-demo-'));
  const [merged, onnx, edge] = [join(folder, 'merged'), join(folder, 'onnx'), join(folder, 'edge')];
  const source = ['models/vora-tiny/adapter', '--base', 'models/vora-tiny/base', '--name', MODEL];
  await vora('merge', ...source, '--dtype', 'f32', '--out', merged);
  await vora('export', 'onnx', merged, '--out', onnx);
  await vora('export', 'edge', merged, '--out', edge);
  endpoint = await startEndpoint(onnx);
  worker = await startBuiltWorker({
    modules: await buildWorker(),
    edgeFolder: edge,
    vars: { MODEL, UPSTREAM_URL: endpoint.url },
  });
});

afterAll(async () => {
  await worker?.stop();
  await endpoint?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('the demo model, asked by the routes for images', () => {
  const ask = async (path: string, picture: string, accept: string): Promise<string> => {
    const body = await readFile(join(ROOT, 'examples/images', picture));
    const response = await fetch(worker.url + path, {
      method: 'POST',
      body,
      headers: { accept, 'content-type': 'image/png' },
    });
    return response.text();
  };

  it('reads a word and a price', async () => {
    expect(await ask('/v1/ocr', 'word.png', 'text/plain')).toBe('HARBOR');
    expect(JSON.parse(await ask('/v1/ocr', 'price.jpg', 'application/json'))).toMatchObject({
      object: 'image.ocr',
      model: MODEL,
      text: '$4.95',
      lines: ['$4.95'],
      finish_reason: 'stop',
    });
  });

  it('describes a scene, word by word when it is streamed', async () => {
    const caption = 'A red circle at the top left and a blue square at the bottom right.';
    expect(await ask('/v1/caption', 'scene.webp', 'text/plain')).toBe(caption);
    const events =
      (await ask('/v1/caption', 'scene.webp', 'text/event-stream')).match(/(?<=^data: \{).*(?=\}$)/gm) ?? [];
    const pieces = events.map((event) => (JSON.parse(`{${event}}`) as { delta?: string }).delta ?? '');
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(5);
    expect(pieces.join('')).toBe(caption);
  });

  it('answers a question', async () => {
    expect(await ask('/v1/vqa?question=Which+bar+is+the+highest%3F', 'chart.png', 'text/plain')).toBe(
      'The highest bar is F.',
    );
  });
});

/** The probe that forces a call has a small model write until its context ends. */
const PROBE_TIMEOUT_SECONDS = 200;

describe('compatcanary', () => {
  it('passes every probe', { timeout: 300_000 }, async () => {
    const run = promisify(execFile)(
      process.execPath,
      [
        join(ROOT, 'node_modules/compatcanary/src/cli.js'),
        'scan',
        '--base-url',
        `${worker.url}/v1`,
        '--model',
        MODEL,
        '--format',
        'json',
        '--fail-on',
        'never',
        '--timeout',
        String(PROBE_TIMEOUT_SECONDS),
      ],
      { env: { ...process.env, OPENAI_API_KEY: 'none' } },
    );
    const { results } = JSON.parse((await run).stdout) as {
      results: { id: string; status: string; error?: unknown }[];
    };
    expect(results.length).toBeGreaterThanOrEqual(7);
    expect(results.filter(({ status }) => status !== 'pass')).toEqual([]);
  });
});
