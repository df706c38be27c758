/**
 * A loader whose first success is kept; a failure is forgotten, so that the next caller tries again.
 *
 * The kept promise is shared by requests. Its work must outlive the request that started it (`waitUntil`): workerd drops
 * the pending I/O of a cancelled request, and a promise that waits for it would never settle.
 */
export function keepResult<Result>(load: () => Promise<Result>): () => Promise<Result> {
  let kept: Promise<Result> | undefined;
  return () => {
    const current = (kept ??= load());
    current.catch(() => {
      if (kept === current) {
        kept = undefined;
      }
    });
    return current;
  };
}
