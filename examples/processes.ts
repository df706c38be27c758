import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
/** A server that ignores SIGTERM is killed after this long. */
const STOP_GRACE_MS = 5_000;

export interface RunningServer {
  url: string;
  stop(): Promise<void>;
}

export interface ServerPlan {
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  /** Where it runs; absent is here. */
  cwd?: string;
  url: string;
  healthPath: string;
  timeoutMs: number;
}

/** Runs a command with its output shown; rejects when it fails. */
export async function runToEnd(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) {
    throw new Error(`${args.join(' ')} ended with exit code ${code}`);
  }
}

/** Starts a server and waits until its health path answers; what it printed is shown only when it does not. */
export async function startServer(plan: ServerPlan): Promise<RunningServer> {
  const child = spawn(plan.command, plan.args, {
    env: { ...process.env, ...plan.env },
    ...(plan.cwd === undefined ? {} : { cwd: plan.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = once(child, 'exit');
  async function stop(): Promise<void> {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await Promise.race([exited, sleep(STOP_GRACE_MS, undefined, { ref: false })]);
      child.kill('SIGKILL');
    }
  }
  const deadline = Date.now() + plan.timeoutMs;
  while (!(await answers(plan.url + plan.healthPath))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${plan.name} did not start:\n${output}`);
    }
    await sleep(POLL_MS);
  }
  return { url: plan.url, stop };
}

/** `preferred` where it is free, else any free port of 127.0.0.1. */
export async function freePort(preferred = 0): Promise<number> {
  const server = createServer();
  const found = await new Promise<number | undefined>((done) => {
    server.once('error', () => done(undefined));
    server.listen(preferred, '127.0.0.1', () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : undefined);
    });
  });
  server.close();
  return found ?? (await freePort());
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
