import { GRAMMAR_KEPT_WAYS_MAX, GRAMMAR_PARALLEL_MAX } from '../../core/limits.ts';
import type { Expression, Members, Repeat } from './expression.ts';
import { createBytesLeft, findShortest } from './shortest.ts';

/** One of the ways in which the text so far may be read: an expression, how far it is, and what comes after it. */
interface Frame {
  readonly id: number;
  readonly expression: Expression;
  /** Bytes of a literal, state of an automaton, parts of a sequence, rounds of a repetition, members passed (see there). */
  readonly position: number;
  readonly next: Frame | null;
  /** Fewest bytes to the end of the whole text, read this way. */
  readonly bytesLeft: number;
}

/** All ways in which the text so far may be read. */
export interface Configuration {
  /** Frames that wait for a byte: literals and automata. */
  readonly frames: readonly Frame[];
  /** The text may end here. */
  readonly accepts: boolean;
  /** Fewest bytes to the end of the text. */
  readonly bytesLeft: number;
  /** How often the machine had forgotten when it made this. */
  readonly age: number;
  /** By the next byte; filled as they are asked for. */
  readonly steps: (Configuration | null | undefined)[];
}

/**
 * Reads bytes by a grammar: a pushdown automaton whose every way is followed at once and whose sets of ways become states
 * as they are met, so that what is read twice is computed once.
 *
 * Frames and configurations that are equal are the same object. Past GRAMMAR_PARALLEL_MAX ways the later ones are given
 * up: the texts that remain are still all right, and there are some, since every way leads to an end.
 */
export interface Machine {
  /** Null when the grammar has no text at all. */
  readonly start: Configuration | null;
  /** Null when no text goes on with this byte. */
  step: (from: Configuration, byte: number) => Configuration | null;
  /** The next byte of a shortest end; always the same for a configuration that is not at one. */
  byteToEnd: (from: Configuration) => number;
}

/** More frames than one machine ever makes: positions times it, and an id, are a number of their own. */
const FRAMES_LIMIT = 2 ** 32;

/** What a configuration weighs by itself, in ways: its steps. */
const CONFIGURATION_WAYS = 64;

export function createMachine(grammar: Expression): Machine {
  const shortest = findShortest(grammar);
  const bytesLeft = createBytesLeft(shortest);
  /** Frames of each expression, by position and by what comes after. */
  const frames = new Map<Expression, Map<number, Frame>>();
  const configurations = new Map<string, Configuration>();
  let lastFrame = 0;
  let kept = 0;
  let age = 0;

  function frame(expression: Expression, position: number, next: Frame | null): Frame {
    let own = frames.get(expression);
    if (own === undefined) {
      own = new Map();
      frames.set(expression, own);
    }
    const key = position * FRAMES_LIMIT + (next?.id ?? 0);
    let known = own.get(key);
    if (known === undefined) {
      const left = bytesLeft(expression, position) + (next?.bytesLeft ?? 0);
      known = { id: (lastFrame += 1), expression, position, next, bytesLeft: left };
      own.set(key, known);
    }
    return known;
  }

  /** The configuration of some frames, of which those that wait for no byte are followed to those that do. */
  function configuration(from: readonly Frame[]): Configuration {
    const seen = new Set(from);
    const waiting: Frame[] = [];
    let accepts = false;

    const enter = (expression: Expression, next: Frame | null): void => {
      if (shortest.has(expression)) {
        seen.add(frame(expression, 0, next));
      }
    };
    const leave = ({ next }: Frame): void => {
      if (next === null) {
        accepts = true;
      } else {
        seen.add(next);
      }
    };
    // A set that grows while it is walked visits what is added.
    for (const at of seen) {
      if (waiting.length >= GRAMMAR_PARALLEL_MAX) {
        break;
      }
      const { expression, position, next } = at;
      switch (expression.kind) {
        case 'literal':
          if (position === expression.bytes.length) {
            leave(at);
          } else {
            waiting.push(at);
          }
          break;
        case 'automaton':
          if ((expression.automaton.edges[position] ?? []).length > 0) {
            waiting.push(at);
          }
          if (expression.automaton.accepts[position] === true) {
            leave(at);
          }
          break;
        case 'sequence': {
          const part = expression.parts[position];
          if (part === undefined) {
            leave(at);
          } else {
            // Nothing is kept of a sequence once its last part is entered: lists do not pile up.
            enter(part, position + 1 === expression.parts.length ? next : frame(expression, position + 1, next));
          }
          break;
        }
        case 'choice':
          expression.options.forEach((option) => enter(option, next));
          break;
        case 'repeat':
          enterRepeat(expression, at, enter, leave);
          break;
        case 'members':
          enterMembers(expression, at, enter, leave);
          break;
        case 'rule':
          enter(expression.body, next);
      }
    }
    return intern(waiting, accepts);
  }

  function enterRepeat(
    expression: Repeat,
    at: Frame,
    enter: (expression: Expression, next: Frame | null) => void,
    leave: (frame: Frame) => void,
  ): void {
    const { item, next, min, max } = expression;
    if (at.position >= min) {
      leave(at);
    }
    if (at.position < max) {
      // Without an upper bound only the lower one needs to be counted to.
      const rounds = max === Infinity ? Math.min(at.position + 1, Math.max(min, 1)) : at.position + 1;
      enter(at.position === 0 ? item : next, frame(expression, rounds, at.next));
    }
  }

  /** Positions of members: twice the number passed, one more when any was written, so that the next wants a separator. */
  function enterMembers(
    expression: Members,
    at: Frame,
    enter: (expression: Expression, next: Frame | null) => void,
    leave: (frame: Frame) => void,
  ): void {
    const { members, rest, separator } = expression;
    const written = at.position % 2 === 1;
    const enterOne = (member: Expression, passed: number): void => {
      if (!shortest.has(member)) {
        return;
      }
      const after = frame(expression, 2 * passed + 1, at.next);
      if (written) {
        enter(separator, frame(member, 0, after));
      } else {
        enter(member, after);
      }
    };
    for (let index = Math.floor(at.position / 2); index < members.length; index++) {
      const member = members[index];
      if (member !== undefined) {
        enterOne(member.expression, index + 1);
        if (member.required) {
          return;
        }
      }
    }
    if (rest !== null) {
      enterOne(rest, members.length);
    }
    leave(at);
  }

  function intern(waiting: readonly Frame[], accepts: boolean): Configuration {
    const sorted = waiting.toSorted((a, b) => a.id - b.id);
    const key = `${sorted.map(({ id }) => id).join()}${accepts ? '.' : ''}`;
    let known = configurations.get(key);
    if (known === undefined) {
      const left = accepts ? 0 : sorted.reduce((least, { bytesLeft: bytes }) => Math.min(least, bytes), Infinity);
      known = { frames: sorted, accepts, bytesLeft: left, age, steps: [] };
      configurations.set(key, known);
      kept += sorted.length + CONFIGURATION_WAYS;
      if (kept > GRAMMAR_KEPT_WAYS_MAX) {
        forget();
      }
    }
    return known;
  }

  /** What is in use leads nowhere any more, so that it holds on to nothing; it is made anew when it is stepped from. */
  function forget(): void {
    configurations.forEach(({ steps }) => steps.splice(0));
    configurations.clear();
    frames.clear();
    kept = 0;
    age += 1;
  }

  function step(from: Configuration, byte: number): Configuration | null {
    const known = from.steps[byte];
    if (known !== undefined) {
      return known;
    }
    if (from.age !== age) {
      return step(intern(from.frames, from.accepts), byte);
    }
    const next = from.frames.flatMap((at) => advance(at, byte));
    const reached = next.length === 0 ? null : configuration(next);
    from.steps[byte] = reached;
    return reached;
  }

  function byteToEnd({ frames: waiting, bytesLeft: left }: Configuration): number {
    for (const { expression, position, next, bytesLeft: own } of waiting) {
      if (own === left && expression.kind === 'literal') {
        return expression.bytes[position] ?? 0;
      }
      if (own === left && expression.kind === 'automaton') {
        // None where the shortest way leaves the automaton here: that is a way of its own.
        const edges = expression.automaton.edges[position] ?? [];
        const edge = edges.find(({ to }) => bytesLeft(expression, to) + (next?.bytesLeft ?? 0) === left - 1);
        if (edge !== undefined) {
          return edge.low;
        }
      }
    }
    throw new Error('a text that is at its end');
  }

  function advance({ expression, position, next }: Frame, byte: number): Frame[] {
    if (expression.kind === 'literal') {
      return expression.bytes[position] === byte ? [frame(expression, position + 1, next)] : [];
    }
    // Nothing else waits for a byte.
    const edges = expression.kind === 'automaton' ? expression.automaton.edges[position] : undefined;
    return (edges ?? [])
      .filter(({ low, high }) => low <= byte && byte <= high)
      .map(({ to }) => frame(expression, to, next));
  }

  return { start: shortest.has(grammar) ? configuration([frame(grammar, 0, null)]) : null, step, byteToEnd };
}
