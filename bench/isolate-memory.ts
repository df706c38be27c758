import { setTimeout as sleep } from 'node:timers/promises';
import { openInspector } from './inspector-session.ts';

/** What an isolate holds, as its own engine counts it. */
export interface IsolateMemory {
  /** The most seen so far: objects, array buffers, and the WebAssembly memories as they are now, for those only grow. */
  peakBytes(): Promise<number>;
  /** Has garbage collected, between requests, and forgets the peak. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface HeapUsage {
  usedSize: number;
  embedderHeapUsedSize: number;
  backingStorageSize: number;
}

const POLL_MS = 4;

/**
 * Watches the isolate of the worker `name` through workerd's inspector, at `inspector` (Miniflare's `getInspectorURL`), by
 * asking every few milliseconds. The isolate answers between two steps of a request, not within one: what lives for less
 * than a step is not seen. Garbage counts until it is collected: by the engine, which here knows of no limit and takes its
 * time, or before each asking, where `counts` says so.
 */
export async function watchIsolate(
  inspector: URL,
  name: string,
  counts: 'garbage too' | 'what is in use' = 'garbage too',
): Promise<IsolateMemory> {
  const session = await openInspector(new URL(`./core:user:${name}`, inspector));
  let peak = 0;
  const ended = new AbortController();
  async function look(): Promise<void> {
    if (counts === 'what is in use') {
      await session.memories();
    }
    const usage = await session.call<HeapUsage>('Runtime.getHeapUsage');
    peak = Math.max(peak, usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize);
  }
  const polling = (async () => {
    while (!ended.signal.aborted) {
      await look();
      await sleep(POLL_MS);
    }
  })();
  return {
    async peakBytes() {
      await look();
      return peak + (await session.memories());
    },
    async restart() {
      // Searching for objects collects first; workerd never answers `HeapProfiler.collectGarbage`.
      await session.memories();
      peak = 0;
    },
    async stop() {
      ended.abort();
      await polling;
      session.close();
    },
  };
}
