import { describe, expect, it } from 'vitest';
import type { AnswerDelta } from '../../src/core/protocol/answer-delta.ts';
import { createTranscript } from '../../src/endpoint/transcript.ts';

interface Shown {
  pieces: string[];
  stopped: boolean;
}

function textOf(deltas: readonly AnswerDelta[]): string {
  return deltas.map((delta) => (delta.kind === 'text' ? delta.text : '')).join('');
}

/** Feeds tokens until one completes a stop string; ends otherwise. */
function show(tokens: readonly Uint8Array[], stop: readonly string[] = []): Shown {
  const transcript = createTranscript({ stop, toolCalls: null });
  const pieces: string[] = [];
  for (const token of tokens) {
    const { deltas, stopped } = transcript.push(token);
    pieces.push(textOf(deltas));
    if (stopped) {
      return { pieces, stopped };
    }
  }
  return { pieces: [...pieces, textOf(transcript.end())], stopped: false };
}

const bytes = (...values: (string | number[])[]): Uint8Array[] =>
  values.map((value) => (typeof value === 'string' ? new TextEncoder().encode(value) : Uint8Array.from(value)));

describe('createTranscript', () => {
  it('holds an emoji back until its last byte', () => {
    expect(show(bytes([0xf0], [0x9f, 0x98], [0x80], '!')).pieces).toEqual(['', '', '😀', '!', '']);
  });

  it('shows invalid bytes as soon as they are certain', () => {
    expect(show(bytes([0xe2], [0xe2], 'a', [0xff], [0xf0, 0x9f])).pieces).toEqual([
      '',
      '\ufffd',
      '\ufffda',
      '\ufffd',
      '',
      '\ufffd',
    ]);
  });

  it('keeps a byte order mark', () => {
    expect(show(bytes('\ufeffa')).pieces.join('')).toBe('\ufeffa');
  });

  it('finds a stop string across token borders and never shows any of it', () => {
    expect(show(bytes('one E', 'N', 'D two'), ['END'])).toEqual({ pieces: ['one ', '', ''], stopped: true });
  });

  it('gives back what only began like a stop string', () => {
    expect(show(bytes('one E', 'N', 'E two'), ['END'])).toEqual({
      pieces: ['one ', '', 'ENE two', ''],
      stopped: false,
    });
    expect(show(bytes('one EN'), ['END'])).toEqual({ pieces: ['one ', 'EN'], stopped: false });
  });

  it('restarts inside a stop string that failed', () => {
    expect(show(bytes('aa', 'a', 'ab', 'x'), ['aab'])).toEqual({ pieces: ['', 'a', 'a'], stopped: true });
  });

  it('cuts at the earliest of several', () => {
    expect(show(bytes('a<b>c</b>'), ['</b>', '<b>'])).toEqual({ pieces: ['a'], stopped: true });
  });

  it('finds a stop string that is an emoji split over tokens', () => {
    expect(show(bytes('a', [0xf0, 0x9f], [0x98, 0x80], 'b'), ['😀'])).toEqual({ pieces: ['a', '', ''], stopped: true });
  });

  it('concatenates to the decoded whole, however bytes are cut', () => {
    const all = new TextEncoder().encode('naïve 漢字 😀🏳️‍🌈 \u0000 end');
    for (let size = 1; size < 6; size++) {
      const tokens = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
        all.slice(i * size, (i + 1) * size),
      );
      expect(show(tokens, ['漢字 😀x', 'end.']).pieces.join('')).toBe(new TextDecoder().decode(all));
    }
  });
});
