import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join, resolve } from 'node:path';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { buildArtifacts } from '../../test/support/build-artifacts.ts';
import { percentile } from '../percentile.ts';
import { ask, type Door, type Timing } from './ask.ts';
import { startBareRelay } from './bare-relay.ts';
import { portkeyHeaders, startPortkey } from './portkey.ts';
import { startStampingUpstream } from './start-stamping-upstream.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = 'vora-random';
const PICTURE = join(ROOT, 'examples/images/scene.webp');
/** Requests before the measured ones, at most as many as these: connections open, code gets compiled. */
const WARM_UP_MAX = 50;
/** Requests that a door gets one after another, until it is the next one's turn: as under steady traffic, and as in the
 * rare traffic that finds the processor's caches full of others. */
const TRAFFICS = { steady: 25, rare: 1 };
const ANSWER_TOKENS = 16;
const DIRECT = 'direct';
/** Of the scripted server. */
const RHYTHM = { tokens: 10, gapMs: 5 };

/** Medians and 99th percentiles in milliseconds. */
export interface Times {
  readonly firstTokenMs: readonly [p50: number, p99: number];
  readonly perTokenMs: readonly [p50: number, p99: number];
}

export interface LatencyPlan {
  readonly requests: number;
  /** Whether Portkey's gateway is fetched from npm and measured too. */
  readonly beside: 'portkey' | 'nothing';
  /** A part of the measurements' names; absent is all. */
  readonly only?: string | undefined;
}

/** What each gateway adds, by what is asked of which server. */
export type LatencyReport = Record<string, Record<string, Times>>;

/**
 * What the built worker in workerd adds to an answer, over calling the model server directly; beside it a bare relay in
 * workerd, and Portkey's gateway. All take turns with the direct call, in a new order each time, so that all see the same
 * machine: some requests each, then one each. The scripted server answers at once, in an even rhythm, and stamps its tokens; the endpoint is the real one.
 * Prints a table.
 */
export async function benchWorkerLatency({ requests, beside, only = '' }: LatencyPlan): Promise<LatencyReport> {
  const { onnx, edge } = await buildArtifacts();
  const modules = await buildWorker();
  const picture = `data:image/webp;base64,${(await readFile(PICTURE)).toString('base64')}`;
  const bodies = { text: chat('What is a lighthouse?'), image: chat('What is in the picture?', picture) };
  const portkey = beside === 'portkey' ? await startPortkey() : null;
  const report: LatencyReport = {};
  try {
    for (const kind of ['scripted server', 'endpoint'] as const) {
      const asked = Object.entries(bodies).filter(([what]) => `${what}, ${kind}`.includes(only));
      if (asked.length === 0) {
        continue;
      }
      const upstream = kind === 'endpoint' ? await startEndpoint(onnx) : await startStampingUpstream(RHYTHM);
      // The same picture each time is to be worked on each time.
      const vars = { MODEL, UPSTREAM_URL: upstream.url, IMAGE_REUSE: 'off' };
      const worker = await startBuiltWorker({ modules, edgeFolder: edge, vars });
      const bare = await startBareRelay(upstream.url);
      try {
        const doors = {
          [DIRECT]: door(upstream.url),
          worker: door(worker.url),
          'bare relay': door(bare.url),
          ...(portkey === null ? {} : { portkey: door(portkey.url, portkeyHeaders(upstream.url)) }),
        };
        for (const [what, body] of asked) {
          for (const [traffic, inARow] of Object.entries(TRAFFICS)) {
            console.log(`\n${what}, ${kind}, ${traffic}: added to ${requests} requests each, milliseconds`);
            const added = await measureAdded(doors, body, { requests, inARow });
            report[`${what}, ${kind}, ${traffic}`] = added;
            printRatio(added);
          }
        }
      } finally {
        await Promise.all([worker.stop(), bare.stop(), upstream.stop()]);
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

/** What each door adds to the direct one. */
async function measureAdded(
  doors: Record<typeof DIRECT, Door> & Record<string, Door>,
  body: string,
  { requests, inARow }: { requests: number; inARow: number },
): Promise<Record<string, Times>> {
  const timings = new Map<string, Timing[]>(Object.keys(doors).map((name) => [name, []]));
  for (let done = -Math.min(requests, WARM_UP_MAX); done < requests; done += inARow) {
    for (const [name, way] of shuffled(Object.entries(doors))) {
      for (let i = done; i < Math.min(done + inARow, requests); i += 1) {
        const timing = await ask(way, body);
        if (i >= 0) {
          timings.get(name)?.push(timing);
        }
      }
    }
  }
  const alone = summary(timings.get(DIRECT) ?? []);
  timings.delete(DIRECT);
  const added: Record<string, Times> = {};
  for (const [name, taken] of timings) {
    const through = summary(taken);
    const times = {
      firstTokenMs: difference(through.firstTokenMs, alone.firstTokenMs),
      perTokenMs: difference(through.perTokenMs, alone.perTokenMs),
    };
    console.log(
      `  ${name}: first token ${text(times.firstTokenMs)} to ${text(alone.firstTokenMs)}; ` +
        `a token ${text(times.perTokenMs)} to ${text(alone.perTokenMs)}`,
    );
    added[name] = times;
  }
  return added;
}

/** Whoever always comes after the same one sees the caches as that one leaves them. */
function shuffled<Item>(items: Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function difference(ours: readonly [number, number], theirs: readonly [number, number]): [number, number] {
  return [ours[0] - theirs[0], ours[1] - theirs[1]];
}

function text([p50, p99]: readonly [number, number]): string {
  return `p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)}`;
}

function printRatio({ worker, portkey }: Record<string, Times>): void {
  if (worker !== undefined && portkey !== undefined) {
    const ratios = worker.firstTokenMs.map((ms, i) => (ms / (portkey.firstTokenMs[i] ?? Number.NaN)).toFixed(2));
    console.log(`  worker / portkey, first token: p50 ${ratios[0]} ×, p99 ${ratios[1]} ×`);
  }
}

/** A token's time is its way where it was stamped, else the time between two. */
function summary(timings: readonly Timing[]): Times {
  const firstToken = timings.map(({ firstTokenMs }) => firstTokenMs);
  const hops = timings.flatMap(({ hopMs }) => hopMs);
  const perToken = hops.length > 0 ? hops : timings.map(({ perTokenMs }) => perTokenMs);
  return {
    firstTokenMs: [percentile(firstToken, 0.5), percentile(firstToken, 0.99)],
    perTokenMs: [percentile(perToken, 0.5), percentile(perToken, 0.99)],
  };
}
