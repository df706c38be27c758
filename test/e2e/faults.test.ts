import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FaultServer, startFaultServer } from '../../bench/faults/server.ts';
import { WORDS } from '../../bench/faults/answer.ts';
import { freePort } from '../../examples/processes.ts';
import { type BuiltWorker, buildWorker, startBuiltWorker, type WorkerModules } from '../../examples/built-worker.ts';
import { FAULTS, FORMS, IMPATIENT, startFaultLine, wordsOf, WHOLE } from '../support/fault-line.ts';
import { CLIENTS, outcomeOf } from './clients.ts';

/** Those that break off an answer that has begun: of a stream, its client has seen the beginning. */
const AFTER_FIRST = ['stall', 'cut', 'clean-cut', 'reset', 'malformed-json', 'missing-finish', 'error-event'];
/** Every client shows the worker's own words, not merely that something broke. */
const TOLD = /model server|answer was cut off/;

let modules: WorkerModules;
let faults: FaultServer;

beforeAll(async () => {
  [modules, faults] = await Promise.all([buildWorker(), startFaultServer()]);
});

afterAll(async () => {
  await faults?.close();
});

describe.each(CLIENTS)('$name behind the worker', (client) => {
  let worker: BuiltWorker;

  beforeAll(async () => {
    worker = await startFaultLine(modules, faults);
  });

  afterAll(async () => {
    await worker?.stop();
  });

  describe.each(FORMS)('%s', (form) => {
    const outcome = (name: string) =>
      outcomeOf(client.ask(`${worker.url}/v1`, `${form}-${name}`, { stream: form === 'stream' }));

    it.concurrent.each(FAULTS)('%s is an error', async (_, name) => {
      expect(await outcome(name)).toEqual({ kind: 'error', message: expect.stringMatching(TOLD) as string });
    });

    it.concurrent.each(WHOLE)('%s is an answer', async (name) => {
      expect(await outcome(name)).toEqual({ kind: 'whole', text: wordsOf(name) });
    });
  });
});

describe('three upstreams of which the first two fail', () => {
  let worker: BuiltWorker;

  beforeAll(async () => {
    const closed = `http://127.0.0.1:${await freePort()}`;
    const upstreams = FAULTS.flatMap(([, fault]) =>
      [fault, fault, 'ok'].map((name, i) => ({
        name: `${fault}-${i}`,
        serves: fault,
        model: name,
        url: name === 'closed-port' ? closed : faults.url,
        server: 'openai',
        wire: 'original',
        weight: 1000 ** (1 - i),
        ...(name === 'ok' ? {} : IMPATIENT),
      })),
    );
    worker = await startBuiltWorker({ modules, vars: { MODEL: 'refuse', UPSTREAMS: upstreams } });
  });

  afterAll(async () => {
    await worker?.stop();
  });

  const ask = (model: string, stream: boolean) =>
    fetch(`${worker.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hi' }] }),
    });

  it.concurrent.each(FAULTS)('by %s: a whole answer comes from the third', async (_, fault) => {
    const response = await ask(fault, false);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: WORDS.join('') } }] });
    expect(response.headers.get('x-vora-attempts')).toMatch(/^[\w-]+=\w+, [\w-]+=\w+, [\w-]+-2=ok$/);
  });

  it.concurrent.each(FAULTS.filter(([, fault]) => !AFTER_FIRST.includes(fault)))(
    'by %s: so does a stream',
    async (_, fault) => {
      const body = await (await ask(fault, true)).text();
      expect(body).toContain('forty');
      expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
    },
  );

  it('and nothing that was asked of them is left open', async () => {
    await vi.waitFor(() => {
      expect(faults.requests.filter(({ closed }) => closed === null)).toEqual([]);
    });
  });
});
