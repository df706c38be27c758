import {
  answer,
  begin,
  completion,
  DONE,
  event,
  finishEvent,
  JSON_TYPE,
  roleEvent,
  SSE,
  usageEvent,
  wordEvent,
  WORDS,
} from './answer.ts';
import type { Stage } from './stage.ts';

/** One way to answer, good, slow or broken. */
export interface Fault {
  does: string;
  /**
   * What a gateway in front must make of it: `whole` is an answer, `error` must be told to the client, and `either` may
   * be waited for or told.
   */
  expect: 'whole' | 'error' | 'either';
  play(stage: Stage, visit: Visit): Promise<void> | void;
}

/** How often and since when a fault has been asked for; some change with time. */
export interface Visit {
  count: number;
  sinceMs: number;
}

const FOREVER_MS = 3_600_000;
const COLD_START_MS = 5_000;

/** By name; a model of that name, or a header `x-fault`, asks for it. */
export const FAULTS: Record<string, Fault> = {
  ok: {
    does: 'a whole answer at once',
    expect: 'whole',
    play: (stage) => answer(stage),
  },
  'slow-tokens': {
    does: '20 tokens, 50 ms apart',
    expect: 'whole',
    play: (stage) => answer(stage, { words: Array.from({ length: 20 }, (_, i) => `${i} `), pauseMs: 50 }),
  },
  'slow-prefill': {
    does: 'headers at once, the first token after 20 s',
    expect: 'whole',
    async play(stage) {
      if (stage.stream) {
        stage.head(200, SSE);
      }
      await stage.wait(20_000);
      if (stage.stream) {
        stage.write(roleEvent() + WORDS.map(wordEvent).join('') + finishEvent() + usageEvent() + DONE);
        stage.end();
      } else {
        await answer(stage);
      }
    },
  },
  refuse: {
    does: 'the connection is reset before any byte, as behind a balancer without servers',
    expect: 'error',
    play: (stage) => stage.reset(),
  },
  'http-500': { does: 'status 500; http-400 to http-599 are the others', expect: 'error', play: status(500) },
  'http-429': {
    does: 'status 429, Retry-After: 1',
    expect: 'error',
    play: status(429, { 'retry-after': '1' }),
  },
  'cold-start': {
    does: 'status 503, Retry-After: 1, for 5 s after the first request, then answers',
    expect: 'either',
    play: (stage, { sinceMs }) =>
      sinceMs < COLD_START_MS ? status(503, { 'retry-after': '1' })(stage) : answer(stage),
  },
  flaky: {
    does: 'status 500 on every other request',
    expect: 'either',
    play: (stage, { count }) => (count % 2 === 1 ? status(500)(stage) : answer(stage)),
  },
  'slow-headers': {
    does: 'no byte at all, for an hour',
    expect: 'error',
    async play(stage) {
      await stage.wait(FOREVER_MS);
      await answer(stage);
    },
  },
  'stall-first': {
    does: 'headers, then silence',
    expect: 'error',
    async play(stage) {
      stage.head(200, stage.stream ? SSE : JSON_TYPE);
      await stage.hang();
    },
  },
  stall: {
    does: 'half an answer, then silence',
    expect: 'error',
    async play(stage) {
      begin(stage);
      await stage.hang();
    },
  },
  cut: {
    does: 'half an answer, half a token, and the connection is closed',
    expect: 'error',
    async play(stage) {
      begin(stage);
      stage.write(stage.stream ? 'data: {"id":"chatcmpl-fault","choices":[{"index":0,"delta":{"cont' : '');
      await stage.wait(20);
      stage.cut();
    },
  },
  'clean-cut': {
    does: 'half an answer, and the response ends as HTTP wants it',
    expect: 'error',
    play(stage) {
      if (stage.stream) {
        begin(stage);
      } else {
        stage.head(200, JSON_TYPE);
        stage.write(completion().slice(0, 80));
      }
      stage.end();
    },
  },
  reset: {
    does: 'half an answer, and the connection is reset',
    expect: 'error',
    async play(stage) {
      begin(stage);
      await stage.wait(20);
      stage.reset();
    },
  },
  'malformed-json': {
    does: 'a chunk that is not JSON, and then the rest',
    expect: 'error',
    play(stage) {
      if (stage.stream) {
        begin(stage);
        stage.write(`data: {"choices":[{"ind\n\n${wordEvent('forty')}${finishEvent()}${usageEvent()}${DONE}`);
      } else {
        stage.head(200, JSON_TYPE);
        stage.write(`${completion().slice(0, -20)}}`);
      }
      stage.end();
    },
  },
  'missing-finish': {
    does: 'all of the answer and [DONE], without a finish reason',
    expect: 'error',
    play(stage) {
      stage.head(200, stage.stream ? SSE : JSON_TYPE);
      stage.write(stage.stream ? roleEvent() + WORDS.map(wordEvent).join('') + usageEvent() + DONE : completion(null));
      stage.end();
    },
  },
  'error-event': {
    does: 'half an answer, then an error in-band',
    expect: 'error',
    play(stage) {
      if (stage.stream) {
        begin(stage);
        stage.write('data: {"error":{"message":"out of memory","type":"server_error","code":500}}\n\n');
        stage.end();
      } else {
        status(500)(stage);
      }
    },
  },
  page: {
    does: 'status 200 with an HTML page',
    expect: 'error',
    play(stage) {
      stage.head(200, { 'content-type': 'text/html' });
      stage.write('<html><body>Welcome to nginx!</body></html>');
      stage.end();
    },
  },
  'no-done': {
    does: 'a whole answer without [DONE]',
    expect: 'whole',
    play: (stage) => answer(stage, { tail: '' }),
  },
  odd: {
    does: 'a whole answer with CRLF, comments, event names, unknown fields and a finish reason of another API',
    expect: 'whole',
    async play(stage) {
      if (!stage.stream) {
        await answer(stage);
        return;
      }
      const odd = event({
        choices: [{ index: 0, delta: { content: WORDS.join('') }, x: 1 }],
        system_fingerprint: null,
      });
      const text = `: hello\n\nevent: message\n${odd}${finishEvent('eos_token')}${usageEvent()}${DONE}`;
      stage.head(200, SSE);
      stage.write(text.replaceAll('\n', '\r\n'));
      stage.end();
    },
  },
};

/** The fault of that name. */
export function findFault(name: string): Fault | undefined {
  const code = /^http-([45]\d\d)$/.exec(name)?.[1] ?? null;
  const known = Object.hasOwn(FAULTS, name) ? FAULTS[name] : undefined;
  return known ?? (code === null ? undefined : { does: `status ${code}`, expect: 'error', play: status(Number(code)) });
}

function status(code: number, headers: Record<string, string> = {}): (stage: Stage) => void {
  return (stage) => {
    stage.head(code, { ...JSON_TYPE, ...headers });
    const error = { message: `A fault of status ${code}`, type: 'server_error', param: null, code: null };
    stage.write(JSON.stringify({ error }));
    stage.end();
  };
}
