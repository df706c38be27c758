/**
 * Begins items in their order, on as many at once as there are lanes. After a failure none is begun any more, and when all
 * have ended, the failure of the earliest is thrown: the same one however many lanes there are.
 *
 * @returns what `work` gave for each item, in their order
 */
export async function inOrder<Lane, Item, Result>(
  lanes: readonly Lane[],
  items: readonly Item[],
  work: (lane: Lane, item: Item) => Promise<Result>,
): Promise<Result[]> {
  const waiting = items.entries();
  const results: Result[] = [];
  const failures = new Map<number, unknown>();
  const drain = async (lane: Lane): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failures.size > 0) {
        return;
      }
      try {
        results[index] = await work(lane, item);
      } catch (error) {
        failures.set(index, error);
      }
    }
  };
  await Promise.all(lanes.map(drain));
  if (failures.size > 0) {
    throw failures.get(Math.min(...failures.keys()));
  }
  return results;
}
