import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { DONE, finishEvent, usageEvent, wordEvent } from '../../bench/faults/answer.ts';

export interface ScriptedUpstream {
  url: string;
  /** Requests that were answered or are being answered. */
  calls: number;
  stop(): Promise<void>;
}

/** A model server on the loopback that does what it is told; `/v1/models` always answers. */
export async function startUpstream(
  answer: (body: string, response: ServerResponse, request: IncomingMessage) => void | Promise<void>,
): Promise<ScriptedUpstream> {
  const server = createServer((request, response) => {
    void (async () => {
      if (request.method === 'GET') {
        response.setHeader('content-type', 'application/json').end('{"object":"list","data":[]}');
        return;
      }
      upstream.calls += 1;
      const chunks: Buffer[] = [];
      for await (const chunk of request) {
        chunks.push(chunk as Buffer);
      }
      await answer(Buffer.concat(chunks).toString(), response, request);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: ScriptedUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: 0,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return upstream;
}

/** Events of a whole answer. */
export function answerEvents(words: readonly string[], promptTokens = 1000): string[] {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: words.length,
    total_tokens: promptTokens + words.length,
  };
  return [...words.map(wordEvent), finishEvent(), usageEvent(usage), DONE];
}
