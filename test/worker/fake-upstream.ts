/** One thing a scripted upstream does on its event stream. */
export type Step = string | { until: Promise<unknown> } | typeof RESET | typeof HANG;

/** The connection breaks. */
export const RESET = Symbol('reset');
/** Nothing more is ever sent. */
export const HANG = Symbol('hang');

export interface Call {
  url: string;
  headers: Headers;
  /** What becomes of a redirect. */
  redirect: RequestInit['redirect'];
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

/** Steps of an event stream, a whole response, a thrown error, or no headers ever. */
export type Script = Step[] | Response | (() => Response) | Error | typeof HANG;

/** A model server that plays a script on each call; the last one goes on for good. */
export function fakeUpstream(...scripts: Script[]): FakeUpstream {
  const calls: Call[] = [];
  return {
    calls,
    async fetch(url, init) {
      const script = scripts[Math.min(calls.length, scripts.length - 1)] ?? [];
      const bytes = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
      const call: Call = {
        url,
        headers: new Headers(init.headers),
        redirect: init.redirect,
        body: JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>,
        byteLength: bytes.length,
        aborted: false,
      };
      calls.push(call);
      const onAbort = () => {
        call.aborted = true;
      };
      if (script instanceof Error) {
        throw script;
      }
      if (script === HANG) {
        return new Promise((_, reject) => {
          init.signal?.addEventListener('abort', () => {
            onAbort();
            reject(new Error('aborted'));
          });
        });
      }
      if (typeof script === 'function' || script instanceof Response) {
        return typeof script === 'function' ? script() : script;
      }
      const body = play(script, init.signal ?? undefined, onAbort);
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  };
}

/** Several upstreams, each under its host name. */
export function fakeHosts(upstreams: Record<string, FakeUpstream>): Pick<FakeUpstream, 'fetch'> {
  return {
    async fetch(url, init) {
      const upstream = upstreams[new URL(url).hostname];
      if (upstream === undefined) {
        throw new Error(`no such host: ${url}`);
      }
      return upstream.fetch(url, init);
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
