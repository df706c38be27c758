/**
 * `npm run bench [-- NAME…]`: prints ratios of alternatives measured in one run. Nothing here passes or fails.
 */
import { benchEmbedInNode } from './embed-node.ts';
import { benchEmbedInWorkerd } from './worker-embed/run.ts';

const benches: Record<string, () => Promise<unknown>> = {
  async embed() {
    await benchEmbedInNode();
    await benchEmbedInWorkerd();
  },
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exitCode = 2;
} else {
  for (const name of chosen.length > 0 ? chosen : Object.keys(benches)) {
    await benches[name]?.();
  }
}
