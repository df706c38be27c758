import { describe, expect, it } from 'vitest';
import { startThread } from '../../weights-tools/thread.ts';

/** A thread whose module is this program. */
function threadOf(program: string): ReturnType<typeof startThread> {
  return startThread(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
}

describe('a thread that ends by itself', () => {
  it.each([
    [
      'while it has a task',
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(7));",
    ],
    ['before its first task', 'process.exit(7);'],
  ])('is said to have ended: %s', async (_name, program) => {
    const thread = threadOf(program);
    await expect(thread.run('task')).rejects.toThrow(/the thread ended with exit code 7$/);
    await expect(thread.run('another')).rejects.toThrow(/the thread ended with exit code 7$/);
    await thread.close();
  });

  it('gives the error that ended it', async () => {
    const thread = threadOf("throw new RangeError('too far');");
    await expect(thread.run('task')).rejects.toThrow('too far');
    await thread.close();
  });
});
