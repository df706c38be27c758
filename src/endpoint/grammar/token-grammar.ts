import { GRAMMAR_MASKS_MAX } from '../../core/limits.ts';
import { createEnding } from './ending.ts';
import type { Expression } from './expression.ts';
import { type Configuration, createMachine, type Machine } from './machine.ts';
import type { Vocabulary } from './vocabulary.ts';

/** A bit for each token id: bit `id % 32` of word `id / 32`. */
export type TokenMask = Uint32Array;

export function isAllowed(mask: TokenMask, token: number): boolean {
  return (((mask[token >>> 5] ?? 0) >>> (token & 31)) & 1) === 1;
}

/** A grammar made ready for a model's tokens; all who follow it share what is computed. */
export interface TokenGrammar {
  /** One text, from its beginning. */
  begin(): Constraint;
}

/** Which tokens keep a text within its grammar. */
export interface Constraint {
  /** Tokens after which the text can still be ended well; end tokens where it may end now. Never empty. */
  allowed(): TokenMask;
  /** Those of them after which at most so many more end the text well; all of them where there is none. */
  allowedWithin(tokens: number): TokenMask;
  /** Whether at most so many more end the text well, once this one is taken. */
  endsWithin(token: number, tokens: number): boolean;
  /** Takes one of them. */
  accept(token: number): void;
  /** The text is whole, and nothing can follow. */
  complete(): boolean;
}

/**
 * @param endTokens what ends a text: not part of the grammar, allowed where it may end.
 * @returns null when the grammar has no text.
 */
export function createTokenGrammar(
  grammar: Expression,
  vocabulary: Vocabulary,
  endTokens: ReadonlySet<number>,
): TokenGrammar | null {
  const machine = createMachine(grammar);
  const { start } = machine;
  if (start === null) {
    return null;
  }
  const canEnd = createEnding(machine, vocabulary);
  // By recency: a mask that is asked for moves to the end.
  const masks = new Map<Configuration, TokenMask>();

  function maskOf(configuration: Configuration): TokenMask {
    const mask = masks.get(configuration) ?? createMask(configuration, machine, vocabulary, endTokens);
    masks.delete(configuration);
    masks.set(configuration, mask);
    const [oldest] = masks.keys();
    if (masks.size > GRAMMAR_MASKS_MAX && oldest !== undefined) {
      masks.delete(oldest);
    }
    return mask;
  }

  function after(from: Configuration, token: number): Configuration {
    let at = from;
    for (const byte of vocabulary.bytesOf(token)) {
      const next = machine.step(at, byte);
      if (next === null) {
        throw new Error(`token ${token} does not fit the grammar`);
      }
      at = next;
    }
    return at;
  }

  function begin(from: Configuration): Constraint {
    let at = from;
    return {
      allowed: () => maskOf(at),
      allowedWithin(tokens) {
        // Asked for near the end of a text only, and different each time: not worth keeping.
        const mask = createMask(at, machine, vocabulary, endTokens, (next) => canEnd(next, tokens));
        return mask.some((word) => word !== 0) ? mask : maskOf(at);
      },
      endsWithin: (token, tokens) => endTokens.has(token) || canEnd(after(at, token), tokens),
      accept(token) {
        at = endTokens.has(token) ? at : after(at, token);
      },
      complete: () => at.accepts && at.frames.length === 0,
    };
  }

  return { begin: () => begin(start) };
}

/**
 * Walks the tree of tokens along all bytes that the grammar takes.
 *
 * @param suits which of the places that a token leads to will do.
 */
function createMask(
  from: Configuration,
  machine: Machine,
  vocabulary: Vocabulary,
  endTokens: ReadonlySet<number>,
  suits: (next: Configuration) => boolean = () => true,
): TokenMask {
  const { bytes, depths, ends, firsts, tokens, deepest } = vocabulary;
  const mask = new Uint32Array(Math.ceil(vocabulary.size / 32));
  const allow = (token: number): void => {
    mask[token >>> 5] = (mask[token >>> 5] ?? 0) | (1 << (token & 31));
  };
  const path = Array.from<Configuration>({ length: deepest + 1 }).fill(from);
  for (let node = 1; node < bytes.length;) {
    const depth = depths[node] ?? 0;
    const before = path[depth - 1] ?? from;
    const byte = bytes[node] ?? 0;
    const known = before.steps[byte];
    const next = known === undefined ? machine.step(before, byte) : known;
    if (next === null) {
      node = ends[node] ?? bytes.length;
      continue;
    }
    path[depth] = next;
    for (let index = firsts[node] ?? 0; index < (firsts[node + 1] ?? 0); index++) {
      if (suits(next)) {
        allow(tokens[index] ?? 0);
      }
    }
    node += 1;
  }
  if (from.accepts) {
    endTokens.forEach(allow);
  }
  return mask;
}
