import { setTimeout as sleep } from 'node:timers/promises';

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

/** Chrome's DevTools protocol: an answer has the call's id, an event has none. */
interface InspectorMessage {
  id?: number;
  result?: unknown;
  error?: unknown;
  params?: { context?: { id: number } };
}

const POLL_MS = 4;
/** Sum over all memories that live. Array buffers' own count leaves them out. */
const SUM_MEMORIES = 'function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }';

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
  const session = await openSession(new URL(`./core:user:${name}`, inspector));
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

async function openSession(url: URL) {
  const socket = new WebSocket(url);
  const waiting = new Map<number, (answer: InspectorMessage) => void>();
  let contextId = 0;
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as InspectorMessage;
    contextId = message.params?.context?.id ?? contextId;
    waiting.get(message.id ?? 0)?.(message);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let last = 0;
  async function call<Result>(method: string, params = {}): Promise<Result> {
    const id = (last += 1);
    const answered = new Promise<InspectorMessage>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answered;
    waiting.delete(id);
    if (error !== undefined) {
      throw new Error(`${method}: ${JSON.stringify(error)}`);
    }
    return result as Result;
  }
  async function memories(): Promise<number> {
    const prototype = await call<{ result: { objectId: string } }>('Runtime.evaluate', {
      expression: 'WebAssembly.Memory.prototype',
      contextId,
    });
    const found = await call<{ objects: { objectId: string } }>('Runtime.queryObjects', {
      prototypeObjectId: prototype.result.objectId,
    });
    const sum = await call<{ result: { value: number } }>('Runtime.callFunctionOn', {
      objectId: found.objects.objectId,
      functionDeclaration: SUM_MEMORIES,
      returnByValue: true,
    });
    return sum.result.value;
  }
  await call('Runtime.enable');
  return { call, memories, close: () => socket.close() };
}
