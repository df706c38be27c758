import { SINGLE_FILE } from './checkpoint.ts';

/** A shard of the usual size: transformers' default until version 5. */
const SHARD_MAX_BYTES = 5e9;

export interface Shard<Item> {
  readonly file: string;
  readonly items: readonly Item[];
}

/** Fills shards with items, in their order, each as full as `shardBytes` allows, and names them as transformers does. */
export function splitShards<Item>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  shardBytes: number = SHARD_MAX_BYTES,
): Shard<Item>[] {
  const shards: Item[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const bytes = bytesOf(item);
    if (filled + bytes > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(item);
    filled += bytes;
  }
  return shards.map((shard, index) => ({ file: shardName(index, shards.length), items: shard }));
}

/** model.safetensors.index.json: which file holds which tensor. `totalBytes` counts tensors, not headers. */
export function shardIndex(fileOf: ReadonlyMap<string, string>, totalBytes: number): string {
  const weightMap = [...fileOf].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(weightMap) }, null, 2)}\n`;
}

function shardName(index: number, count: number): string {
  const number = (value: number): string => String(value).padStart(5, '0');
  return count === 1 ? SINGLE_FILE : `model-${number(index + 1)}-of-${number(count)}.safetensors`;
}
