import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const QUICK_START_TIMEOUT_MS = 180_000;

it(
  'npm start -- --once asks about every sample picture, says that the words are random, and ends',
  { timeout: QUICK_START_TIMEOUT_MS },
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['examples/quickstart.ts', '--once'], { cwd: ROOT });
    expect(stdout).toContain('its words are random');
    for (const picture of ['evening.jpg', 'shapes.webp', 'sign.png']) {
      const timing = 'decode \\d+ ms, resize \\d+ ms, embed \\d+ ms, .*first token \\d+ ms, \\d+ tokens/s';
      expect(stdout).toMatch(new RegExp(`${picture}: .*\\w+ \\w+ \\w+.*\\n  .*${timing}`));
    }
  },
);
