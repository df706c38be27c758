/**
 * Waits for two tasks that run at once. When one fails, the other is told to stop, and when both have ended, what failed first
 * is thrown: what they share may be closed then.
 *
 * @param begin starts both, with the signal that stops them
 */
export async function together<A, B>(
  signal: AbortSignal,
  begin: (signal: AbortSignal) => readonly [Promise<A>, Promise<B>],
): Promise<[A, B]> {
  const stop = new AbortController();
  const [a, b] = begin(AbortSignal.any([signal, stop.signal]));
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    failures.push(error);
    stop.abort(error);
  };
  await Promise.all([a.catch(fail), b.catch(fail)]);
  if (failures.length > 0) {
    throw failures[0];
  }
  return Promise.all([a, b]);
}
