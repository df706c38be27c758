import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const LOOP_TIMEOUT_MS = 180_000;

it(
  'examples/agent-loop.ts looks, calls a tool that gives a picture, looks again and finishes with what it saw',
  { timeout: LOOP_TIMEOUT_MS },
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['examples/agent-loop.ts'], { cwd: ROOT });
    const said = [...stdout.matchAll(/the model says: (.*)/g)].map((match) => match[1]);
    const calls = [...stdout.matchAll(/the constraint makes it: (\w+)\((.*)\)/g)].map(([, name, json]) => [
      name,
      JSON.parse(json ?? '') as unknown,
    ]);
    // What a person sees: F is the highest bar, and behind it is a price tag.
    expect(said[0]).toMatch(/\bF\b/);
    expect(said[1]).toContain('$4.95');
    expect(calls).toEqual([
      ['open_picture', { picture: 'F' }],
      ['finish', { answer: said[1] }],
    ]);
    expect(stdout).toContain(`Finished: ${said[1]}`);
  },
);
