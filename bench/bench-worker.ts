import { readdir, readFile } from 'node:fs/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import type { WorkerModules } from '../examples/built-worker.ts';
import { type IsolateMemory, watchIsolate } from './isolate-memory.ts';

export interface BenchWorker {
  fetch(url: string, init?: { method: 'POST'; body: Uint8Array }): ReturnType<Miniflare['dispatchFetch']>;
  /** The most that the process has held so far, beyond what it held when it had started: other isolates and the runtime too. */
  peakBytes(): Promise<number>;
  /** Watches the worker's isolate from now on. */
  watch(): Promise<IsolateMemory>;
  /** Processor time that workerd has taken so far, on all its threads. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
}

/** Real workerd in a process of its own, with files in its bucket GRAPHS. */
export async function startWorker(
  modules: WorkerModules,
  bindings: Record<string, string>,
  files: Record<string, string>,
): Promise<BenchWorker> {
  const before = new Set(await childProcesses());
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules,
      bindings,
      compatibilityDate: '2026-11-09',
      r2Buckets: ['GRAPHS'],
      inspectorPort: 0,
    }),
  );
  const bucket = await miniflare.getR2Bucket('GRAPHS');
  for (const [name, path] of Object.entries(files)) {
    await bucket.put(name, await readFile(path));
  }
  const pid = (await childProcesses()).find((child) => !before.has(child)) ?? 0;
  const idleBytes = await statusBytes(pid, 'VmRSS');
  return {
    fetch: (url, init) => miniflare.dispatchFetch(url, init),
    peakBytes: async () => (await statusBytes(pid, 'VmHWM')) - idleBytes,
    watch: async () => watchIsolate(await miniflare.getInspectorURL(), ''),
    cpuMs: () => processorMs(pid),
    stop: () => miniflare.dispose(),
  };
}

async function childProcesses(): Promise<number[]> {
  const tasks = await readdir('/proc/self/task');
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/self/task/${task}/children`, 'utf8')));
  return lists.join(' ').split(' ').filter(Boolean).map(Number);
}

async function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN);
}

/** proc(5): user and system time are the 14th and 15th field, in hundredths of a second. */
async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
