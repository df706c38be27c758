/**
 * `node test/support/serve-line.ts`: endpoint and built worker with the random model, for clients in other languages.
 * Prints one line of JSON with the worker's `url` and a `key` that it takes, and ends with its standard input.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { buildArtifacts } from './build-artifacts.ts';

const key = 'vora_00000000_test';
const { onnx, edge } = await buildArtifacts();
const [modules, endpoint] = await Promise.all([buildWorker(), startEndpoint(onnx)]);
const vars = {
  UPSTREAM_URL: endpoint.url,
  AUTH: 'key',
  API_KEY_SHA256: createHash('sha256').update(key).digest('hex'),
};
const worker = await startBuiltWorker({ modules, edgeFolder: edge, vars });
console.log(JSON.stringify({ url: worker.url, key }));
process.stdin.resume();
await once(process.stdin, 'end');
await Promise.all([worker.stop(), endpoint.stop()]);
process.exit();
