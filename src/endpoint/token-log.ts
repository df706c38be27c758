import type { TokenLogprob } from '../core/protocol/answer-delta.ts';

/**
 * Tokens that are listed beside the text they made. A token is listed once any character behind its beginning has been
 * shown: so the bytes of those listed spell what the client has, and a stop string's tokens never are.
 */
export interface TokenLog {
  /** @param start characters decoded before the token. */
  add(token: TokenLogprob, start: number): void;
  /** Tokens that begin before this many shown characters, in order; each is given once. */
  upTo(shown: number): TokenLogprob[];
}

export function createTokenLog(): TokenLog {
  const waiting: { token: TokenLogprob; start: number }[] = [];
  return {
    add: (token, start) => void waiting.push({ token, start }),
    upTo(shown) {
      const first = waiting.findIndex(({ start }) => start >= shown);
      return waiting.splice(0, first === -1 ? waiting.length : first).map(({ token }) => token);
    },
  };
}
