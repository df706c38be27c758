import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { withProgress } from '../../weights-tools/progress.ts';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** A terminal that keeps what is written to it. */
function terminal(): PassThrough & { isTTY: true; columns: number } {
  return Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true as const, columns: 120 });
}

/** Timers that keep the process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

describe('on a terminal', () => {
  it('a bar fills up', async () => {
    const stream = terminal();
    const result = await withProgress(
      'merge',
      4000,
      (progress) => {
        progress.advance(1000, 'model.norm.weight');
        return Promise.resolve('done');
      },
      stream,
    );
    expect(result).toBe('done');
    const text = String(stream.read());
    expect(text).toContain('] 0% 4.00 kB');
    expect(text).toContain('] 100% 4.00 kB');
    expect(text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(text.lastIndexOf(HIDE_CURSOR));
  });

  it('a failure ends the bar where it is: the cursor is back and nothing keeps the process alive', async () => {
    const stream = terminal();
    const before = timers();
    const failed = withProgress(
      'merge',
      4000,
      (progress) => {
        progress.advance(1000);
        return Promise.reject(new Error('disk full'));
      },
      stream,
    );
    await expect(failed).rejects.toThrow('disk full');
    const text = String(stream.read());
    expect(text).toContain('] 25% 4.00 kB');
    expect(text).not.toContain('100%');
    expect(text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(text.lastIndexOf(HIDE_CURSOR));
    expect(timers()).toBe(before);
  });
});

it('elsewhere nothing is said of what is over at once', async () => {
  const stream = new PassThrough({ encoding: 'utf8' });
  await withProgress(
    'merge',
    4000,
    (progress) => {
      progress.advance(4000);
      return Promise.resolve();
    },
    stream,
  );
  expect(stream.read()).toBeNull();
});
