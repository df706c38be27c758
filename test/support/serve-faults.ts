/**
 * `node test/support/serve-faults.ts`: the built worker before a model server that breaks, for clients in other languages.
 * Prints one line of JSON: the worker's `url`, the names of `faults`, and of the `whole` answers with their text; a model
 * is a form, `stream` or `whole`, a hyphen and a name. Ends with its standard input.
 */
import { once } from 'node:events';
import { startFaultServer } from '../../bench/faults/server.ts';
import { buildWorker } from '../../examples/built-worker.ts';
import { FAULTS, startFaultLine, wordsOf, WHOLE } from './fault-line.ts';

const faults = await startFaultServer();
const worker = await startFaultLine(await buildWorker(), faults);
const whole = Object.fromEntries(WHOLE.map((name) => [name, wordsOf(name)]));
console.log(JSON.stringify({ url: worker.url, faults: FAULTS.map(([, name]) => name), whole }));
process.stdin.resume();
await once(process.stdin, 'end');
await Promise.all([worker.stop(), faults.close()]);
process.exit();
