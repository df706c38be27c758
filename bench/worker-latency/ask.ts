import { type Agent, request } from 'node:http';

/** What one streamed answer took. */
export interface Timing {
  /** From sending the request to the first piece of text. */
  readonly firstTokenMs: number;
  /** Between two pieces of text, on average. */
  readonly perTokenMs: number;
  /** For each token that holds the time at which it was written: how long it was on its way. */
  readonly hopMs: readonly number[];
}

export interface Door {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Keeps one connection open, as every client does. */
  readonly agent: Agent;
}

/** Asks for a streamed answer and reads it to its end; rejects where it is not whole. */
export async function ask({ url, headers, agent }: Door, body: string): Promise<Timing> {
  const startNs = process.hrtime.bigint();
  const arrivals: bigint[] = [];
  const hopMs: number[] = [];
  const text = await new Promise<string>((resolve, reject) => {
    const call = request(url, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
    });
    call.once('error', reject);
    call.once('response', (response) => {
      let all = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        const nowNs = process.hrtime.bigint();
        all += piece;
        for (const [, content = ''] of piece.matchAll(/"content":"([^"]+)"/g)) {
          arrivals.push(nowNs);
          if (/^\d{9,} $/.test(content)) {
            hopMs.push(milliseconds(nowNs - BigInt(content.trim())));
          }
        }
      });
      response.once('error', reject);
      response.once('end', () => resolve(all));
    });
    call.end(body);
  });
  const [first, last] = [arrivals[0], arrivals.at(-1)];
  if (first === undefined || last === undefined || !text.includes('data: [DONE]')) {
    throw new Error(`${url} gave no whole answer: ${text.slice(0, 500)}`);
  }
  const gaps = Math.max(1, arrivals.length - 1);
  return { firstTokenMs: milliseconds(first - startNs), perTokenMs: milliseconds(last - first) / gaps, hopMs };
}

function milliseconds(ns: bigint): number {
  return Number(ns) / 1e6;
}
