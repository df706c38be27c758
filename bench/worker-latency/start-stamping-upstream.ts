import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunningServer } from '../../examples/processes.ts';

/** The stamping server in a process of its own, so that it keeps its rhythm whatever the measuring process does. */
export async function startStampingUpstream(rhythm: { tokens: number; gapMs: number }): Promise<RunningServer> {
  const script = join(import.meta.dirname, 'stamping-upstream.ts');
  const child = spawn(process.execPath, [script, String(rhythm.tokens), String(rhythm.gapMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill();
      await once(child, 'exit');
    },
  };
}
