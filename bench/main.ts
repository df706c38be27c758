/**
 * `npm run bench [-- NAME… [--scale part|tiny] [--only STEP] [--prompts PATH]]`: prints ratios of alternatives measured in one run.
 * Nothing here passes or fails.
 */
import { parseArgs } from 'node:util';
import { benchEmbedInNode } from './embed-node.ts';
import { benchGrammar } from './grammar.ts';
import { benchJobs } from './jobs/run.ts';
import { benchQuality } from './quality.ts';
import { benchTwoTurns } from './two-turns/run.ts';
import { SCALES } from './weights/shape.ts';
import { benchWeights } from './weights/run.ts';
import { benchEmbedInWorkerd } from './worker-embed/run.ts';
import { benchWorkerLatency } from './worker-latency/run.ts';
import { benchWorkerLoad } from './worker-load/run.ts';
import { benchImageInWorkerd } from './worker-image/run.ts';

const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: 'full' }, only: { type: 'string' }, prompts: { type: 'string' } },
});
const scale = SCALES.find((candidate) => candidate === values.scale);

const benches: Record<string, () => unknown> = {
  async embed() {
    await benchEmbedInNode();
    await benchEmbedInWorkerd();
  },
  image: () => benchImageInWorkerd(values.only),
  weights: () => benchWeights(scale ?? 'full', values.only),
  quality: () => benchQuality(values.prompts),
  grammar: benchGrammar,
  worker: () => benchWorkerLatency({ requests: scale === 'tiny' ? 20 : 500, beside: 'portkey', only: values.only }),
  turns: () => benchTwoTurns({ chats: scale === 'tiny' ? 2 : 9 }),
  jobs: () => benchJobs({ images: scale === 'tiny' ? 20 : 1000, only: values.only }),
  load: () => benchWorkerLoad(scale === 'tiny' ? { streams: 10, seconds: 3 } : { streams: 200, seconds: 60 }),
};

const unknown = chosen.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0 || scale === undefined) {
  console.error(
    `no benchmark ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}; scales ${SCALES.join(', ')}`,
  );
  process.exitCode = 2;
} else {
  for (const name of chosen.length > 0 ? chosen : Object.keys(benches)) {
    await benches[name]?.();
  }
}
