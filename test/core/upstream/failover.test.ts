import { describe, expect, it } from 'vitest';
import {
  CIRCUIT_FAILURES,
  CIRCUIT_LAST_RESORT_MS,
  CIRCUIT_OPEN_MS,
  PROBE_LOST_MS,
  RETRY_BUDGET_MAX,
} from '../../../src/core/limits.ts';
import type { Failure } from '../../../src/core/protocol/failure.ts';
import type { Plan } from '../../../src/core/upstream/attempt.ts';
import type { Candidate } from '../../../src/core/upstream/choice.ts';
import { begin, type Command, type RunEvent, type Step, step } from '../../../src/core/upstream/failover.ts';
import { faultOf } from '../../../src/core/upstream/fault.ts';
import { type Fleet, NEW_FLEET } from '../../../src/core/upstream/fleet.ts';
import { ANYWHERE } from '../../../src/core/upstream/region.ts';
import { seeded } from './seeded.ts';

const REFUSED: Failure = { kind: 'upstream-unreachable', message: 'refused' };
const BUSY: Failure = { kind: 'overloaded', retryAfterSeconds: 7 };
const NOWHERE = { colo: null, country: null, continent: null };

function upstream(name: string, more: Partial<Candidate> = {}): Candidate {
  return { name, weight: 1, near: ANYWHERE, firstByteMs: 60_000, coldStartMs: 0, ...more };
}

/** One request after another on a clock that the test moves. */
function world(fleet: Fleet = NEW_FLEET, random: () => number = () => 0.5) {
  let now = 1_000_000;
  let shared = fleet;
  return {
    pass: (ms: number) => {
      now += ms;
    },
    fleet: () => shared,
    open: (chain: Candidate[][], more: Partial<Plan> = {}) => {
      const plan: Plan = {
        chain,
        place: NOWHERE,
        bindsAt: 'first',
        hedgeAfterMs: null,
        patienceMs: 3_600_000,
        ...more,
      };
      let last: Step<Candidate>;
      const take = (taken: Step<Candidate>): string[] => {
        last = taken;
        shared = taken.fleet;
        return taken.commands.map(describeCommand);
      };
      const begun = take(begin(plan, shared, { now, random }));
      return {
        begun,
        send: (event: RunEvent) => take(step(last.run, shared, event, { now, random })),
        fail: (attempt: number, failure: Failure) =>
          take(step(last.run, shared, { kind: 'failed', attempt, fault: faultOf(failure) }, { now, random })),
        /** Passes the time until the machine wants to be woken; null where it does not. */
        wake(): { afterMs: number; did: string[] } | null {
          const { wakeAt } = last;
          if (wakeAt === null) {
            return null;
          }
          const afterMs = wakeAt - now;
          now = wakeAt;
          return { afterMs, did: take(step(last.run, shared, { kind: 'wake' }, { now, random })) };
        },
      };
    },
  };
}

function describeCommand(command: Command<Candidate>): string {
  switch (command.kind) {
    case 'call':
      return `call ${command.candidate.name}`;
    case 'refuse':
      return `refuse: ${command.failure.kind}`;
    case 'give':
    case 'cancel':
      return `${command.kind} ${command.attempt}`;
  }
}

describe('which upstream is called first', () => {
  it('follows the weights', () => {
    const { open } = world(NEW_FLEET, seeded(7));
    const counts = { a: 0, b: 0 };
    for (let i = 0; i < 4000; i++) {
      counts[open([[upstream('a', { weight: 3 }), upstream('b')]]).begun[0] === 'call a' ? 'a' : 'b']++;
    }
    expect(counts.a / 4000).toBeCloseTo(0.75, 1);
  });

  it('is the nearest by data centre, country, continent; then who says nothing; then who is elsewhere', () => {
    const place = { colo: 'FRA', country: 'DE', continent: 'EU' };
    const all = [
      upstream('tokyo', { near: { ...ANYWHERE, continents: ['AS'] } }),
      upstream('anywhere'),
      upstream('europe', { near: { ...ANYWHERE, continents: ['EU'] } }),
      upstream('germany', { near: { ...ANYWHERE, countries: ['DE'] } }),
      upstream('frankfurt', { near: { ...ANYWHERE, colos: ['FRA'] } }),
    ];
    const request = world().open([all], { place });
    const order = [request.begun, ...[0, 1, 2, 3].map((i) => request.fail(i, REFUSED))];
    expect(order.flat()).toEqual(['frankfurt', 'germany', 'europe', 'anywhere', 'tokyo'].map((name) => `call ${name}`));
  });

  it('is any of them for a request from nowhere', () => {
    const near = { ...ANYWHERE, continents: ['AS'] };
    const { open } = world(NEW_FLEET, seeded(3));
    const first = Array.from(
      { length: 50 },
      () => open([[upstream('tokyo', { near }), upstream('anywhere')]]).begun[0],
    );
    expect(new Set(first)).toEqual(new Set(['call tokyo', 'call anywhere']));
  });
});

describe('an upstream that fails', () => {
  it('is followed by the others, then by those of the models to fall back on', () => {
    const request = world().open([[upstream('a'), upstream('b')], [upstream('c')]]);
    const first = request.begun[0] === 'call a' ? ['call a', 'call b'] : ['call b', 'call a'];
    const broke: Failure = { kind: 'upstream-broke', message: 'cut' };
    expect([request.begun, request.fail(0, broke), request.fail(1, broke)].flat()).toEqual([...first, 'call c']);
    expect(request.fail(2, broke)).toEqual(['refuse: upstream-broke']);
  });

  it.each<[string, Failure]>([
    ['a connect error', REFUSED],
    ['status 500', { kind: 'upstream-rejected', status: 500, message: '' }],
  ])('by %s and is the only one is called again, twice, after a random while', (_, failure) => {
    const request = world().open([[upstream('a')]]);
    expect(request.fail(0, failure)).toEqual([]);
    // Half of 200 ms, then half of 400.
    expect(request.wake()).toEqual({ afterMs: 100, did: ['call a'] });
    request.fail(1, failure);
    expect(request.wake()).toEqual({ afterMs: 200, did: ['call a'] });
    expect(request.fail(2, failure)).toEqual([`refuse: ${failure.kind}`]);
  });

  it.each<[string, Failure]>([
    ['status 401', { kind: 'upstream-rejected', status: 401, message: '' }],
    ['a stream that broke', { kind: 'upstream-broke', message: '' }],
  ])('by %s is not called again', (_, failure) => {
    expect(
      world()
        .open([[upstream('a')]])
        .fail(0, failure),
    ).toEqual([`refuse: ${failure.kind}`]);
  });

  it('again and again for one request opens no circuit for the others', () => {
    const { open } = world();
    const poison = open([[upstream('a')]]);
    for (const attempt of [0, 1, 2]) {
      poison.fail(attempt, { kind: 'upstream-rejected', status: 500, message: '' });
      poison.wake();
    }
    expect(open([[upstream('a')]]).begun).toEqual(['call a']);
  });

  it('because of the request is not followed by anybody', () => {
    const request = world().open([[upstream('a'), upstream('b')]]);
    expect(request.fail(0, { kind: 'invalid-request', param: 'messages', message: 'too long' })).toEqual([
      'refuse: invalid-request',
    ]);
  });

  it('after it was given is the client’s to hear of, and counts', () => {
    const { open } = world();
    for (let i = 0; i < CIRCUIT_FAILURES; i++) {
      const request = open([[upstream('a', { weight: 1000 }), upstream('b', { weight: 1e-9 })]]);
      expect(request.begun).toEqual(['call a']);
      expect(request.send({ kind: 'first', attempt: 0 })).toEqual(['give 0']);
      expect(request.fail(0, { kind: 'upstream-broke', message: 'cut' })).toEqual([]);
    }
    expect(open([[upstream('a', { weight: 1000 }), upstream('b', { weight: 1e-9 })]]).begun).toEqual(['call b']);
  });

  it('with an answer of which the client has seen nothing is followed as well', () => {
    const request = world().open([[upstream('a'), upstream('b')]], { bindsAt: 'whole' });
    expect(request.send({ kind: 'first', attempt: 0 })).toEqual([]);
    expect(request.fail(0, { kind: 'upstream-broke', message: 'cut' })[0]).toMatch(/^call/);
    expect(request.send({ kind: 'whole', attempt: 1 })).toEqual(['give 1']);
  });

  it('to send its first piece in time is cancelled, and its late answer changes nothing', () => {
    const request = world().open([[upstream('a', { firstByteMs: 500 })]]);
    expect(request.wake()).toEqual({ afterMs: 500, did: ['cancel 0', 'refuse: upstream-timeout'] });
    expect(request.send({ kind: 'first', attempt: 0 })).toEqual([]);
  });
});

describe('retries', () => {
  it('are paid from what requests have earned, so that an overload gets a fifth more load at most', () => {
    const spent: Fleet = { ...NEW_FLEET, budget: 0 };
    let calls = 0;
    let fleet = spent;
    for (let i = 0; i < 1000; i++) {
      // A new circuit each time: the budget alone has to hold.
      const one = world({ ...fleet, circuits: new Map() });
      const request = one.open([[upstream('a')]]);
      calls += request.begun.length;
      for (let attempt = 0; ; attempt++) {
        request.fail(attempt, REFUSED);
        const woken = request.wake();
        if (woken === null) {
          break;
        }
        calls += woken.did.length;
      }
      fleet = one.fleet();
    }
    expect(calls).toBe(1200);
    expect(RETRY_BUDGET_MAX).toBeGreaterThan(1);
  });
});

describe('an upstream without room', () => {
  it('is told to the client when it wants more time than a request has', () => {
    const request = world().open([[upstream('a')]]);
    expect(request.fail(0, BUSY)).toEqual(['refuse: overloaded']);
  });

  it('is asked again when it wants less than that', () => {
    const request = world().open([[upstream('a')]]);
    expect(request.fail(0, { ...BUSY, retryAfterSeconds: 2 })).toEqual([]);
    // An eighth more at random, at a quarter of it at most.
    expect(request.wake()).toEqual({ afterMs: 2250, did: ['call a'] });
  });

  it('is left to rest by other requests too, whose clients learn when to come back', () => {
    const { open, pass } = world();
    open([[upstream('a')]]).fail(0, BUSY);
    expect(open([[upstream('a')]]).begun).toEqual(['refuse: upstream-unavailable']);
    pass(10_000);
    expect(open([[upstream('a')]]).begun).toEqual(['call a']);
  });

  it('that starts from zero is waited for, asked by one request at a time, and not for longer than it may take', () => {
    const cold = upstream('a', { coldStartMs: 60_000 });
    const { open } = world();
    const request = open([[cold]]);
    const other = open([[cold]]);
    other.fail(0, BUSY);
    request.fail(0, BUSY);
    let waits = 0;
    for (let attempt = 1; attempt < 6; attempt++) {
      expect(request.wake()?.did).toEqual(['call a']);
      expect(other.wake()?.did).toEqual([]);
      expect(request.fail(attempt, BUSY)).toEqual([]);
      waits++;
    }
    expect(waits).toBe(5);
    expect(request.wake()?.did).toEqual(['call a']);
    expect(request.send({ kind: 'accepted', attempt: 6 })).toEqual([]);
    expect(other.wake()?.did).toEqual(['call a']);
    let did: string[] = [];
    for (let attempt = 1; did.length === 0; attempt++) {
      did = other.fail(attempt, BUSY);
      other.wake();
    }
    expect(did).toEqual(['refuse: overloaded']);
  });

  it('is not waited for longer than its client would', () => {
    const request = world().open([[upstream('a', { coldStartMs: 60_000 })]], { patienceMs: 5_000 });
    expect(request.fail(0, BUSY)).toEqual(['refuse: overloaded']);
  });
});

describe('a hedge', () => {
  const pair = [[upstream('a'), upstream('b')]];
  const names = (did: string[]) => did.map((text) => text.replace(/[ab]$/, '?'));

  it('asks a second upstream after a silence, once, and cancels whoever is second', () => {
    const request = world().open(pair, { hedgeAfterMs: 300 });
    const second = request.wake();
    expect([second?.afterMs, names(second?.did ?? [])]).toEqual([300, ['call ?']]);
    expect(request.send({ kind: 'first', attempt: 1 })).toEqual(['cancel 0', 'give 1']);
    expect(request.wake()).toBeNull();
  });

  it('is not made when an answer has begun, nobody is left, or the budget is spent', () => {
    const begun = world().open(pair, { hedgeAfterMs: 300, bindsAt: 'whole' });
    begun.send({ kind: 'first', attempt: 0 });
    expect(begun.wake()).toBeNull();
    expect(
      world()
        .open([[upstream('a')]], { hedgeAfterMs: 300 })
        .wake()?.did,
    ).toEqual([]);
    expect(
      world({ ...NEW_FLEET, budget: 0 })
        .open(pair, { hedgeAfterMs: 300 })
        .wake()?.did,
    ).toEqual([]);
  });

  it('that fails leaves the first one running', () => {
    const request = world().open(pair, { hedgeAfterMs: 300 });
    request.wake();
    expect(request.fail(1, REFUSED)).toEqual([]);
    expect(request.send({ kind: 'first', attempt: 0 })).toEqual(['give 0']);
  });
});

it('an upstream that fails each probe is left alone for longer each time, up to a limit', () => {
  const { open, pass } = world();
  const pair = [[upstream('a', { weight: 1e9 }), upstream('b', { weight: 1e-9 })]];
  const failing: Failure = { kind: 'upstream-broke', message: '' };
  for (let i = 0; i < CIRCUIT_FAILURES; i++) {
    open(pair).fail(0, failing);
  }
  const rests = Array.from({ length: 6 }, () => {
    for (let seconds = 1; ; seconds++) {
      pass(1000);
      const request = open(pair);
      if (request.begun[0] === 'call a') {
        request.fail(0, failing);
        return seconds;
      }
    }
  });
  // 10 s, twice as long each time, 120 s at most; an eighth more at random.
  expect(rests).toEqual([12, 23, 45, 90, 135, 135]);
});

describe('when every upstream is broken', () => {
  it('one request at a time may look earlier whether one has recovered', () => {
    const { open, pass } = world();
    const only = [[upstream('a')]];
    const failing: Failure = { kind: 'upstream-broke', message: '' };
    for (let i = 0; i < CIRCUIT_FAILURES; i++) {
      open(only).fail(0, failing);
    }
    const early = open(only);
    expect(early.begun).toEqual([]);
    expect(early.wake()).toEqual({ afterMs: CIRCUIT_LAST_RESORT_MS, did: ['call a'] });
    const other = open(only);
    expect(other.begun).toEqual([]);
    // The probe answers: others may follow before it is whole, since there is nobody else.
    early.send({ kind: 'first', attempt: 0 });
    expect(other.wake()?.did).toEqual(['call a']);
    early.send({ kind: 'whole', attempt: 0 });
    expect(open(only).begun).toEqual(['call a']);
    pass(CIRCUIT_OPEN_MS);
  });

  it('who waits for a probe waits as long as the probe may take', () => {
    const { open, pass } = world();
    const only = [[upstream('a', { firstByteMs: 20_000 })]];
    for (let i = 0; i < CIRCUIT_FAILURES; i++) {
      open(only).fail(0, { kind: 'upstream-broke', message: '' });
    }
    pass(CIRCUIT_LAST_RESORT_MS);
    const probe = open(only);
    const other = open(only);
    const turns = Array.from({ length: 60 }, () => other.wake()?.did);
    expect(turns.flat()).toEqual([]);
    probe.send({ kind: 'first', attempt: 0 });
    expect(other.wake()?.did).toEqual(['call a']);
  });

  it('a probe of which nothing is ever heard again is made once more', () => {
    const { open, pass } = world();
    const only = [[upstream('a')]];
    for (let i = 0; i < CIRCUIT_FAILURES; i++) {
      open(only).fail(0, { kind: 'upstream-broke', message: '' });
    }
    pass(CIRCUIT_OPEN_MS * 2);
    expect(open(only).begun).toEqual(['call a']);
    expect(open(only).begun).toEqual([]);
    pass(PROBE_LOST_MS);
    expect(open(only).begun).toEqual(['call a']);
  });

  it('a probe that fails is told to its client at once, and not repeated', () => {
    const { open } = world();
    const only = [[upstream('a')]];
    for (let i = 0; i < CIRCUIT_FAILURES; i++) {
      open(only).fail(0, { kind: 'upstream-broke', message: '' });
    }
    const probe = open(only);
    probe.wake();
    expect(probe.fail(0, REFUSED)).toEqual(['refuse: upstream-unreachable']);
  });
});

it('a client that leaves cancels what runs and what waits', () => {
  const running = world().open([[upstream('a'), upstream('b')]], { hedgeAfterMs: 300 });
  running.wake();
  expect(running.send({ kind: 'client-left' })).toEqual(['cancel 0', 'cancel 1']);
  expect(running.wake()).toBeNull();
  const waiting = world().open([[upstream('a')]]);
  waiting.fail(0, REFUSED);
  expect(waiting.send({ kind: 'client-left' })).toEqual([]);
  expect(waiting.wake()).toBeNull();
});
