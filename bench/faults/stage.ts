import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** The server's end of one request, as a fault plays on it. Every step is void once the client has gone. */
export interface Stage {
  /** Whether the request asks for an event stream. */
  readonly stream: boolean;
  head(status: number, headers?: Record<string, string>): void;
  write(text: string): void;
  wait(ms: number): Promise<void>;
  /** Waits until the client goes. */
  hang(): Promise<void>;
  /** Ends the response as HTTP wants it. */
  end(): void;
  /** Closes the connection in the middle of the response: FIN, without the end that HTTP wants. */
  cut(): void;
  /** Breaks the connection: RST. */
  reset(): void;
}

/** @param onClose told when the connection is done with, and whose doing that was. */
export function stageOf(response: ServerResponse, stream: boolean, onClose: (by: 'client' | 'server') => void): Stage {
  const gone = new AbortController();
  let isOurs = false;
  response.once('close', () => {
    gone.abort();
    onClose(isOurs ? 'server' : 'client');
  });
  return {
    stream,
    head(status, headers = {}) {
      response.writeHead(status, headers);
      response.flushHeaders();
    },
    write(text) {
      if (!gone.signal.aborted) {
        response.write(text);
      }
    },
    async wait(ms) {
      await sleep(ms, undefined, { signal: gone.signal }).catch(() => undefined);
    },
    async hang() {
      if (!gone.signal.aborted) {
        await new Promise((resolve) => gone.signal.addEventListener('abort', resolve));
      }
    },
    end() {
      isOurs = true;
      response.end();
    },
    cut() {
      isOurs = true;
      response.socket?.destroySoon();
    },
    reset() {
      isOurs = true;
      response.socket?.resetAndDestroy();
    },
  };
}
