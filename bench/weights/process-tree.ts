import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What a command took, all its processes together. */
export interface Cost {
  readonly seconds: number;
  /** Sum over its processes of the most that each ever had resident: the true peak, or more where there are several. */
  readonly peakBytes: number;
}

const SAMPLE_MS = 100;
const VORA = fileURLToPath(new URL('../../bin/vora.mjs', import.meta.url));

/**
 * Runs a command to its end.
 *
 * @throws Error with the last lines of its stderr when it fails
 */
export async function measure(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Cost> {
  const startMs = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4000);
  });
  const exit = once(child, 'exit');
  const peaks = new Map<number, number>();
  const timer = setInterval(() => void sample(child.pid ?? 0, peaks), SAMPLE_MS);
  const [code] = (await exit) as [number | null];
  clearInterval(timer);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stderr}`);
  }
  const peakBytes = [...peaks.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { seconds: (performance.now() - startMs) / 1000, peakBytes };
}

/** A process may end between two looks; what was seen of it stays. */
async function sample(pid: number, peaks: Map<number, number>): Promise<void> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? '0');
    peaks.set(pid, Math.max(1024 * kilobytes, peaks.get(pid) ?? 0));
    for (const task of await readdir(`/proc/${pid}/task`)) {
      const children = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8');
      await Promise.all(
        children
          .trim()
          .split(' ')
          .filter(Boolean)
          .map((child) => sample(Number(child), peaks)),
      );
    }
  } catch {
    // Gone.
  }
}

/** A command of `vora`. */
export function measureVora(args: readonly string[]): Promise<Cost> {
  return measure(process.execPath, [VORA, ...args]);
}
