import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join, resolve } from 'node:path';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { buildArtifacts } from '../../test/support/build-artifacts.ts';
import { percentile } from '../percentile.ts';
import { ask, type Door, type Timing } from './ask.ts';
import { portkeyHeaders, startPortkey } from './portkey.ts';
import { startStampingUpstream } from './start-stamping-upstream.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-random';
const PICTURE = join(ROOT, 'examples/images/scene.webp');
/** Requests before the measured ones, at most as many as these: connections open, code gets compiled. */
const WARM_UP_MAX = 30;
const ANSWER_TOKENS = 16;
/** Of the scripted server. */
const RHYTHM = { tokens: 20, gapMs: 5 };

/** Medians and 99th percentiles in milliseconds. */
export interface Added {
  readonly firstTokenMs: readonly [p50: number, p99: number];
  readonly perTokenMs: readonly [p50: number, p99: number];
}

export interface LatencyPlan {
  readonly requests: number;
  /** Whether Portkey's gateway is fetched from npm and measured too. */
  readonly beside: 'portkey' | 'nothing';
}

export type LatencyReport = Record<string, { readonly worker: Added; readonly portkey: Added | null }>;

/**
 * What the built worker in workerd adds to an answer, over calling the model server directly, and what Portkey's gateway
 * adds to the same: the doors take turns, so that all see the same machine. The scripted server answers at once, in an
 * even rhythm, and stamps its tokens; the endpoint is the real one. Prints a table.
 */
export async function benchWorkerLatency({ requests, beside }: LatencyPlan): Promise<LatencyReport> {
  const { onnx, edge } = await buildArtifacts();
  const modules = await buildWorker();
  const picture = `data:image/webp;base64,${(await readFile(PICTURE)).toString('base64')}`;
  const bodies = { text: chat('What is a lighthouse?'), image: chat('What is in the picture?', picture) };
  const portkey = beside === 'portkey' ? await startPortkey() : null;
  const report: LatencyReport = {};
  try {
    for (const kind of ['scripted server', 'endpoint'] as const) {
      const upstream = kind === 'endpoint' ? await startEndpoint(onnx) : await startStampingUpstream(RHYTHM);
      const vars = { MODEL, UPSTREAM_URL: upstream.url };
      const worker = await startBuiltWorker({ modules, edgeFolder: edge, vars, spans: false });
      try {
        const doors = {
          direct: door(upstream.url),
          worker: door(worker.url),
          ...(portkey === null ? {} : { portkey: door(portkey.url, portkeyHeaders(upstream.url)) }),
        };
        for (const [what, body] of Object.entries(bodies)) {
          const timings = await inTurns(doors, body, requests);
          report[`${what}, ${kind}`] = print(`${what}, ${kind}`, timings);
        }
      } finally {
        await worker.stop();
        await upstream.stop();
      }
    }
  } finally {
    await portkey?.stop();
  }
  return report;
}

function chat(question: string, picture?: string): string {
  const image = picture === undefined ? [] : [{ type: 'image_url', image_url: { url: picture } }];
  const content = [...image, { type: 'text', text: question }];
  const messages = [{ role: 'user', content }];
  return JSON.stringify({ model: MODEL, stream: true, temperature: 0, max_tokens: ANSWER_TOKENS, messages });
}

function door(base: string, headers: Record<string, string> = {}): Door {
  return { url: `${base}/v1/chat/completions`, headers, agent: new Agent({ keepAlive: true, maxSockets: 1 }) };
}

async function inTurns(doors: Record<string, Door>, body: string, requests: number): Promise<Map<string, Timing[]>> {
  const timings = new Map<string, Timing[]>(Object.keys(doors).map((name) => [name, []]));
  const order = Object.entries(doors);
  for (let i = -Math.min(requests, WARM_UP_MAX); i < requests; i += 1) {
    for (const [name, at] of order) {
      const timing = await ask(at, body);
      if (i >= 0) {
        timings.get(name)?.push(timing);
      }
    }
    order.push(...order.splice(0, 1));
  }
  return timings;
}

function print(title: string, timings: Map<string, Timing[]>): LatencyReport[string] {
  const of = (name: string) => summary(timings.get(name) ?? []);
  const direct = of('direct');
  const added = (name: string): Added => {
    const { firstTokenMs, perTokenMs } = of(name);
    return {
      firstTokenMs: [firstTokenMs[0] - direct.firstTokenMs[0], firstTokenMs[1] - direct.firstTokenMs[1]],
      perTokenMs: [perTokenMs[0] - direct.perTokenMs[0], perTokenMs[1] - direct.perTokenMs[1]],
    };
  };
  const ms = ([p50, p99]: readonly [number, number]): string => `p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)}`;
  console.log(`\n${title}, ${timings.get('direct')?.length} requests each, milliseconds`);
  console.log(`  direct: first token ${ms(direct.firstTokenMs)}; a token ${ms(direct.perTokenMs)}`);
  for (const name of [...timings.keys()].filter((other) => other !== 'direct')) {
    const { firstTokenMs, perTokenMs } = added(name);
    console.log(`  ${name} adds: first token ${ms(firstTokenMs)}; a token ${ms(perTokenMs)}`);
  }
  const worker = added('worker');
  const portkey = timings.has('portkey') ? added('portkey') : null;
  if (portkey !== null) {
    const ratio = (ours: number, theirs: number): string => (ours / theirs).toFixed(2);
    console.log(
      `  worker / portkey: first token ${ratio(worker.firstTokenMs[0], portkey.firstTokenMs[0])} × (p50), ` +
        `${ratio(worker.firstTokenMs[1], portkey.firstTokenMs[1])} × (p99)`,
    );
  }
  return { worker, portkey };
}

/** A token's time is its way where it was stamped, else the time between two. */
function summary(timings: readonly Timing[]): Added {
  const firstToken = timings.map(({ firstTokenMs }) => firstTokenMs);
  const hops = timings.flatMap(({ hopMs }) => hopMs);
  const perToken = hops.length > 0 ? hops : timings.map(({ perTokenMs }) => perTokenMs);
  return {
    firstTokenMs: [percentile(firstToken, 0.5), percentile(firstToken, 0.99)],
    perTokenMs: [percentile(perToken, 0.5), percentile(perToken, 0.99)],
  };
}
