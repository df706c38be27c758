import { readdir, readFile } from 'node:fs/promises';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import type { WorkerModules } from '../examples/built-worker.ts';

export interface BenchWorker {
  fetch(url: string, init?: { method: 'POST'; body: Uint8Array }): ReturnType<Miniflare['dispatchFetch']>;
  /** The most that workerd has held so far, beyond what it held when it had started. */
  peakBytes(): Promise<number>;
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
    convertV4MiniflareOptions({ modules, bindings, compatibilityDate: '2026-11-09', r2Buckets: ['GRAPHS'] }),
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
