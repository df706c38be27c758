import { tracing } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { NO_TRACE, runtimeTrace } from '../../worker/trace.ts';

describe('runtimeTrace', () => {
  it('uses the spans of this runtime', () => {
    expect(runtimeTrace()).not.toBe(NO_TRACE);
    expect(runtimeTrace({ tracing })).not.toBe(NO_TRACE);
  });

  it('does without them where the runtime has none, or only the first of them', async () => {
    expect(runtimeTrace({})).toBe(NO_TRACE);
    const enterSpan = tracing.enterSpan.bind(tracing);
    expect(runtimeTrace({ tracing: { enterSpan } as typeof tracing })).toBe(NO_TRACE);
    const span = NO_TRACE.open('chat', { a: 1 });
    span.set({ b: 2 });
    span.end('failed');
    expect(await NO_TRACE.within('step', async () => 7)).toBe(7);
  });

  it('gives back what ran inside a span, and passes its error on', async () => {
    const trace = runtimeTrace();
    expect(await trace.within('step', async () => 7)).toBe(7);
    await expect(trace.within('step', () => Promise.reject(new Error('inside')))).rejects.toThrow('inside');
    trace.open('chat', { a: undefined }).end('failed');
  });
});
