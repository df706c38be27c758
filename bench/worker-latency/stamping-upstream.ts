/**
 * `node bench/worker-latency/stamping-upstream.ts TOKENS GAP_MS`: a model server that answers every chat at once with tokens in an even
 * rhythm. Each token's text is the time at which it was written, by the clock that all processes of the machine share,
 * so that whoever reads it knows how long it was on its way. Prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [tokens, gapMs] = [Number(process.argv[2]), Number(process.argv[3])];
/** More than any image of the benchmark becomes: the worker takes fewer for an image that was dropped. */
const PROMPT_TOKENS = 5000;

const server = createServer((request, response) => {
  void (async () => {
    for await (const _ of request) {
      // The body is read, whatever it is.
    }
    const send = (fields: object): boolean =>
      response.write(
        `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`,
      );
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let token = 0; token < tokens && !response.destroyed; token += 1) {
      const content = `${process.hrtime.bigint()} `;
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
      await sleep(gapMs);
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    const usage = { prompt_tokens: PROMPT_TOKENS, completion_tokens: tokens, total_tokens: PROMPT_TOKENS + tokens };
    send({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  })();
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
