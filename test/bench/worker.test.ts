import { describe, expect, it } from 'vitest';
import { percentile } from '../../bench/percentile.ts';
import { benchTwoTurns } from '../../bench/two-turns/run.ts';
import { benchWorkerLatency } from '../../bench/worker-latency/run.ts';
import { benchWorkerLoad } from '../../bench/worker-load/run.ts';

describe('the benchmarks of the worker', () => {
  it('measure every door on whole answers', async () => {
    const report = await benchWorkerLatency({ requests: 3, beside: 'nothing' });
    const asked = ['text, scripted server', 'image, scripted server', 'text, endpoint', 'image, endpoint'];
    expect(Object.keys(report)).toEqual(asked.flatMap((what) => [`${what}, steady`, `${what}, rare`]));
    for (const added of Object.values(report)) {
      expect(Object.keys(added)).toEqual(['worker', 'bare relay']);
      const times = Object.values(added).flatMap(({ firstTokenMs, perTokenMs }) => [...firstTokenMs, ...perTokenMs]);
      expect(times.every(Number.isFinite)).toBe(true);
    }
    // The worker embeds the picture, which takes time.
    expect(report['image, scripted server, steady']?.['worker']?.firstTokenMs[0]).toBeGreaterThan(0);
  });

  it('chat twice about a picture, which is sent once', async () => {
    const { firstMs, secondMs, secondBytes } = await benchTwoTurns({ chats: 1 });
    expect(secondMs).toBeLessThan(firstMs);
    expect(secondBytes).toBe(0);
  });

  it('load the worker with streams, none of which is cut', async () => {
    const { answers, cut, rssMb, hopMs } = await benchWorkerLoad({ streams: 8, seconds: 1 });
    expect([answers, cut]).toEqual([8, 0]);
    expect(Math.min(...rssMb)).toBeGreaterThan(20);
    expect(hopMs[0]).toBeGreaterThan(0);
  });

  it('take percentiles by the nearest rank', () => {
    const values = [5, 1, 3, 2, 4];
    expect([0, 0.2, 0.5, 0.99, 1].map((part) => percentile(values, part))).toEqual([1, 1, 3, 5, 5]);
    expect(percentile([], 0.5)).toBeNaN();
  });
});
