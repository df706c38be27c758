import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { buildArtifacts } from '../../test/support/build-artifacts.ts';
import { percentile } from '../percentile.ts';
import { ask } from '../worker-latency/ask.ts';
import { startStampingUpstream } from '../worker-latency/start-stamping-upstream.ts';
import { workerdRssMb } from '../workerd-memory.ts';

const MODEL = 'vora-random';
/** One answer is five seconds; each stream asks again until the time is over. */
const RHYTHM = { tokens: 100, gapMs: 50 };
const SAMPLE_MS = 1000;

export interface LoadReport {
  readonly answers: number;
  /** Answers that did not end in `[DONE]`. */
  readonly cut: number;
  /** Resident memory of workerd, in megabytes, once a second. */
  readonly rssMb: readonly number[];
  readonly hopMs: readonly [p50: number, p99: number];
}

/** Many streams at once through the built worker in workerd on the loopback: none may be cut, and memory may not grow. */
export async function benchWorkerLoad({ streams, seconds }: { streams: number; seconds: number }): Promise<LoadReport> {
  const { edge } = await buildArtifacts();
  const upstream = await startStampingUpstream(RHYTHM);
  const vars = { MODEL, UPSTREAM_URL: upstream.url };
  const worker = await startBuiltWorker({ modules: await buildWorker(), edgeFolder: edge, vars });
  const body = JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content: 'Hello' }] });
  const door = {
    url: `${worker.url}/v1/chat/completions`,
    headers: {},
    agent: new Agent({ keepAlive: true, maxSockets: streams }),
  };
  const rssMb: number[] = [];
  const hops: number[] = [];
  const ended = new AbortController();
  let [answers, cut] = [0, 0];
  const untilMs = performance.now() + seconds * 1000;

  async function stream(index: number): Promise<void> {
    // Streams that start together would all be silent together.
    await sleep((index / streams) * RHYTHM.gapMs);
    while (performance.now() < untilMs) {
      try {
        const { hopMs } = await ask(door, body);
        answers += 1;
        cut += hopMs.length === RHYTHM.tokens ? 0 : 1;
        hops.push(...hopMs);
      } catch (error) {
        cut += 1;
        console.log(`cut: ${String(error).slice(0, 200)}`);
      }
    }
  }

  async function watchMemory(): Promise<void> {
    while (!ended.signal.aborted) {
      rssMb.push(workerdRssMb());
      await sleep(SAMPLE_MS);
    }
  }

  try {
    const memory = watchMemory();
    await Promise.all(Array.from({ length: streams }, (_, index) => stream(index)));
    ended.abort();
    await memory;
  } finally {
    await worker.stop();
    await upstream.stop();
  }
  const hopMs = [percentile(hops, 0.5), percentile(hops, 0.99)] as const;
  console.log(
    `${streams} streams for ${seconds} s: ${answers} answers of ${RHYTHM.tokens} tokens, ${cut} cut; ` +
      `a token on its way p50 ${hopMs[0].toFixed(1)} ms, p99 ${hopMs[1].toFixed(1)} ms; ` +
      `workerd resident, MB: first ${rssMb[0]}, then every ten seconds ${rssMb.filter((_, i) => i % 10 === 9).join(', ')}, last ${rssMb.at(-1)}`,
  );
  return { answers, cut, rssMb, hopMs };
}
