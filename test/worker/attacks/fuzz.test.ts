import { describe, expect, it } from 'vitest';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { createRandom } from '../../attacks/random.ts';
import type { Target } from '../../attacks/target.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { testApp } from '../test-app.ts';
import { CHATS, FORM_TYPE } from './seeds.ts';
import { TARGETS } from './targets.ts';

/** A taste of `npm run fuzz -- worker --count 1000000`. */
const COUNT = 1500;
const THROUGH_APP = 400;
const SEED = 2026;

const input = (target: Target, index: number) => target.make(createRandom(SEED, index));
const target = (name: string) => TARGETS.find((candidate) => candidate.name === name) ?? TARGETS[0];

describe.each(TARGETS)('mutated $name', (door) => {
  it('is refused as a failure of the union, or becomes what it must; not all of it is refused', async () => {
    const findings: string[] = [];
    const refusals = new Set<string>();
    let accepted = 0;
    for (let index = 0; index < COUNT; index += 1) {
      try {
        if (await door.read(fromBytes('fuzz', input(door, index)))) {
          accepted += 1;
        } else {
          findings.push(`input ${index} was accepted as what it is not`);
        }
      } catch (error) {
        if (!(error instanceof RequestError)) {
          findings.push(`input ${index}: ${String(error)}`);
        }
        refusals.add(String(error).replaceAll(/\d+/g, ''));
      }
    }
    expect(findings).toEqual([]);
    expect(accepted).toBeGreaterThan(20);
    // A stream is never refused: its faults are told in what the client gets.
    expect(refusals.size >= 4 || accepted === COUNT).toBe(true);
  });
});

describe('through the whole worker', () => {
  it.each([
    ['chat', '/v1/chat/completions', 'application/json'],
    ['responses', '/v1/responses', 'application/json'],
    ['image-task', '/v1/vqa', 'application/json'],
    ['form', '/v1/vqa', FORM_TYPE],
  ])('a mutated %s is answered by a valid error or result', async (name, path, contentType) => {
    const statuses = new Set<number>();
    for (let index = 0; index < THROUGH_APP; index += 1) {
      const app = testApp(fakeUpstream(goodAnswer()), { wire: 'original' });
      const body = Uint8Array.from(input(target(name) as Target, index));
      const response = await app.fetch(path, { method: 'POST', body, headers: { 'content-type': contentType } });
      await response.text();
      statuses.add(response.status);
      expect([index, response.status === 500, app.logged, app.outcomes.length]).toEqual([index, false, [], 1]);
    }
    expect(statuses.has(400)).toBe(true);
  });

  it('a mutated stream of the model server is answered by a valid error or result', async () => {
    const ends = new Set<string>();
    for (let index = 0; index < THROUGH_APP; index += 1) {
      const bytes = Uint8Array.from(input(target('stream') as Target, index));
      const upstream = () => fakeUpstream(new Response(bytes, { headers: { 'content-type': 'text/event-stream' } }));
      const request = { ...(JSON.parse(CHATS[0]) as object), model: 'vora-random' };
      const whole = await testApp(upstream()).chat(request);
      await whole.text();
      expect([200, 502]).toContain(whole.status);
      const app = testApp(upstream());
      const streamed = await (await app.chat({ ...request, stream: true })).text();
      // What is whole for one client is whole for the other.
      expect([index, streamed.includes('data: [DONE]')]).toEqual([index, whole.status === 200]);
      expect(app.outcomes.map(({ how }) => how)).toEqual([whole.status === 200 ? 'answered' : 'failed']);
      ends.add(app.outcomes[0]?.error?.message ?? 'whole');
    }
    expect(ends.size).toBeGreaterThanOrEqual(4);
  });
});
