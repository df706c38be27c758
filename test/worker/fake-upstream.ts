/** One thing a scripted upstream does on its event stream. */
export type Step = string | { until: Promise<unknown> } | typeof RESET | typeof HANG;

/** The connection breaks. */
export const RESET = Symbol('reset');
/** Nothing more is ever sent. */
export const HANG = Symbol('hang');

export interface Call {
  url: string;
  headers: Headers;
  /** JSON of the request, read from the stream that the worker sent. */
  body: Record<string, unknown>;
  byteLength: number;
  /** The worker gave the call up. */
  aborted: boolean;
}

export interface FakeUpstream {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  calls: Call[];
}

/** A model server that plays a script on each call: steps of an event stream, a whole response, or a thrown error. */
export function fakeUpstream(script: Step[] | Response | Error): FakeUpstream {
  const calls: Call[] = [];
  return {
    calls,
    async fetch(url, init) {
      const bytes = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
      const call: Call = {
        url,
        headers: new Headers(init.headers),
        body: JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>,
        byteLength: bytes.length,
        aborted: false,
      };
      calls.push(call);
      if (script instanceof Error) {
        throw script;
      }
      if (script instanceof Response) {
        return script;
      }
      const body = play(script, init.signal ?? undefined, () => {
        call.aborted = true;
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  };
}

/** What one of several upstreams does on each of its calls; the last entry goes on for good. */
export type Scripts = (Step[] | Error | (() => Response))[];

export interface FakeFleet {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Calls of the upstream with that host name. */
  calls(host: string): Call[];
}

/** Several upstreams, each under its host name. */
export function fakeFleet(scripts: Record<string, Scripts>): FakeFleet {
  const calls = new Map<string, Call[]>();
  return {
    calls: (host) => calls.get(host) ?? [],
    async fetch(url, init) {
      const host = new URL(url).hostname;
      const own = calls.get(host) ?? [];
      calls.set(host, own);
      const script = scripts[host]?.[Math.min(own.length, scripts[host].length - 1)] ?? new Error(`nobody is ${host}`);
      const one = fakeUpstream(typeof script === 'function' ? script() : script);
      const answer = one.fetch(url, init);
      // The call is known before its body is read.
      own.push({ url, headers: new Headers(init.headers), body: {}, byteLength: 0, aborted: false });
      const at = own.length - 1;
      const response = await answer;
      const [call] = one.calls;
      if (call !== undefined) {
        own[at] = call;
      }
      return response;
    },
  };
}

function play(steps: Step[], signal: AbortSignal | undefined, onAbort: () => void): ReadableStream<Uint8Array> {
  const rest = steps.values();
  return new ReadableStream<Uint8Array>(
    {
      start(out) {
        signal?.addEventListener('abort', () => {
          onAbort();
          out.error(signal.reason);
        });
      },
      async pull(out) {
        for (const step of rest) {
          if (step === RESET) {
            out.error(new Error('connection reset'));
            return;
          }
          if (step === HANG) {
            await new Promise(() => undefined);
          } else if (typeof step === 'string') {
            out.enqueue(new TextEncoder().encode(step));
            return;
          } else {
            await step.until;
          }
        }
        out.close();
      },
      cancel: onAbort,
    },
    { highWaterMark: 0 },
  );
}

/** `data:` event of a chunk of an answer, as vLLM writes it. */
export function textEvent(text: string): string {
  return event({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] });
}

export function finishEvent(reason = 'stop'): string {
  return event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
}

export function usageEvent(promptTokens: number, completionTokens = 2): string {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  return event({ choices: [], usage });
}

export function event(fields: object): string {
  const chunk = { id: 'upstream-id', object: 'chat.completion.chunk', created: 1, model: 'upstream-model', ...fields };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

export const DONE_EVENT = 'data: [DONE]\n\n';

/** A complete answer "Hello you" to a prompt of that many tokens. */
export function goodAnswer(promptTokens = 1000): Step[] {
  return [textEvent('Hello'), textEvent(' you'), finishEvent(), usageEvent(promptTokens), DONE_EVENT];
}
