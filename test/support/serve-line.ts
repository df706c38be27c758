/**
 * `node test/support/serve-line.ts`: endpoint and built worker with the random model, for clients in other languages.
 * Prints one line of JSON and ends with its standard input: the worker's `url`, a `key` that it takes, the `endpoint`
 * behind it, and a `reader`, the same worker with a way to `pictures`, a host of the golden pictures. What a reader fetches
 * goes through Node, which ends no fetch early.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { buildArtifacts } from './build-artifacts.ts';

const GOLDEN = resolve(import.meta.dirname, '../fixtures/golden');
const key = 'vora_00000000_test';
const host = {
  name: 'pictures.example',
  answer: async (path: string) => new Response(await readFile(join(GOLDEN, path))),
};
const { onnx, edge } = await buildArtifacts();
const [modules, endpoint] = await Promise.all([buildWorker(), startEndpoint(onnx)]);
const vars = {
  UPSTREAM_URL: endpoint.url,
  AUTH: 'key',
  API_KEY_SHA256: createHash('sha256').update(key).digest('hex'),
};
const plan = { modules, edgeFolder: edge, vars };
const [worker, reader] = await Promise.all([startBuiltWorker(plan), startBuiltWorker({ ...plan, host })]);
const pictures = `https://${host.name}/`;
console.log(JSON.stringify({ url: worker.url, key, endpoint: endpoint.url, reader: reader.url, pictures }));
process.stdin.resume();
await once(process.stdin, 'end');
await Promise.all([worker.stop(), reader.stop(), endpoint.stop()]);
process.exit();
