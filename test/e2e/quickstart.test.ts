import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const QUICK_START_TIMEOUT_MS = 180_000;
/** What a person sees in the pictures. */
const ANSWERS: Record<string, string> = {
  'word.png': 'HARBOR',
  'price.jpg': '$4.95',
  'scene.webp': 'A red circle at the top left and a blue square at the bottom right.',
  'chart.png': 'The highest bar is F.',
};

it(
  'npm start -- --once gives true answers about the sample pictures, says where the time went, and ends',
  { timeout: QUICK_START_TIMEOUT_MS },
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['examples/quickstart.ts', '--once'], { cwd: ROOT });
    expect(stdout).toContain('is a demo model');
    const lines = stdout.split('\n');
    for (const [picture, answer] of Object.entries(ANSWERS)) {
      const at = lines.findIndex((line) => line.startsWith(`${picture}: `));
      expect(lines[at]?.split('? ').at(-1)?.split('text. ').at(-1)).toBe(answer);
      expect(lines[at + 1]).toMatch(/decode \d+ ms, embed \d+ ms, .*first token \d+ ms, \d+ tokens\/s/);
    }
  },
);
