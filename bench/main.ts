/**
 * `npm run bench [-- NAME… [--scale tiny] [--prompts PATH]]`: prints ratios of alternatives measured in one run. Nothing here
 * passes or fails.
 */
import { parseArgs } from 'node:util';
import { benchEmbedInNode } from './embed-node.ts';
import { benchGrammar } from './grammar.ts';
import { benchQuality } from './quality.ts';
import { SCALES } from './weights/shape.ts';
import { benchWeights } from './weights/run.ts';
import { benchEmbedInWorkerd } from './worker-embed/run.ts';
import { benchImageInWorkerd } from './worker-image/run.ts';

const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: 'string', default: 'full' }, prompts: { type: 'string' } },
});
const scale = SCALES.find((candidate) => candidate === values.scale);

const benches: Record<string, () => unknown> = {
  async embed() {
    await benchEmbedInNode();
    await benchEmbedInWorkerd();
  },
  image: benchImageInWorkerd,
  weights: () => benchWeights(scale ?? 'full'),
  quality: () => benchQuality(values.prompts),
  grammar: benchGrammar,
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
