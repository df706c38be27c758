import { FAULTS } from './faults.ts';

/** What a gateway told a client about one fault. */
export interface Told {
  fault: string;
  stream: boolean;
  /** `whole`: an answer that looks whole. `error`: by status or in-band. `hung`: neither, in time. */
  how: 'whole' | 'error' | 'cut' | 'hung';
  detail: string;
  ms: number;
}

export interface ReportOptions {
  /** Base of the gateway's API, with `/v1`. */
  baseUrl: string;
  apiKey: string | undefined;
  /** Put before each fault's name to make a model's, e.g. `faults/`. */
  prefix: string;
  timeoutMs: number;
}

/** Asks a gateway for every fault, streamed and whole, one after another. */
export async function* report(options: ReportOptions): AsyncGenerator<Told> {
  for (const fault of Object.keys(FAULTS)) {
    for (const stream of [true, false]) {
      const started = performance.now();
      const { how, detail } = await ask(fault, stream, options);
      yield { fault, stream, how, detail, ms: performance.now() - started };
    }
  }
}

/** Whether a client would take the fault for an answer, or never learn anything; or an answer for a fault. */
export function isWrong({ fault, how }: Told): boolean {
  const expected = FAULTS[fault]?.expect;
  return expected === 'either' ? how === 'cut' || how === 'hung' : how !== expected;
}

type Outcome = Pick<Told, 'how' | 'detail'>;

async function ask(fault: string, stream: boolean, options: ReportOptions): Promise<Outcome> {
  const { baseUrl, apiKey, prefix, timeoutMs } = options;
  try {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ model: prefix + fault, stream, messages: [{ role: 'user', content: 'Hi' }] }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await response.text();
    if (!response.ok) {
      return { how: 'error', detail: `${response.status} ${errorCode(body)}` };
    }
    return stream ? readStream(body) : readWhole(body);
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === 'TimeoutError';
    return isTimeout
      ? { how: 'hung', detail: `nothing for ${timeoutMs / 1000} s` }
      : { how: 'error', detail: 'the connection broke' };
  }
}

function readStream(body: string): Outcome {
  const data = [...body.matchAll(/^data: ?(.*)$/gm)].map(([, text]) => text?.trim() ?? '');
  const inBand = data.find((text) => text.startsWith('{"error"'));
  if (inBand !== undefined) {
    return { how: 'error', detail: `in-band ${errorCode(inBand)}` };
  }
  if (data.some((text) => text !== '[DONE]' && !isJson(text))) {
    return { how: 'cut', detail: 'a chunk is not JSON' };
  }
  const isFinished = data.some((text) => /"finish_reason": ?"/.test(text));
  if (data.at(-1) === '[DONE]') {
    return { how: 'whole', detail: isFinished ? '[DONE]' : '[DONE] without a finish reason' };
  }
  return { how: 'cut', detail: 'the stream just ended' };
}

function readWhole(body: string): Outcome {
  try {
    const { choices } = JSON.parse(body) as { choices?: { finish_reason?: string | null }[] };
    const reason = choices?.[0]?.finish_reason ?? null;
    return { how: 'whole', detail: reason === null ? 'no finish reason' : `finish reason ${reason}` };
  } catch {
    return { how: 'cut', detail: 'no JSON' };
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function errorCode(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: string | number | null; type?: string } };
    return String(error?.code ?? error?.type ?? 'without a code');
  } catch {
    return 'not an error object';
  }
}
