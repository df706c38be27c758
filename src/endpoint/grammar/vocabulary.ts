import { RequestError } from '../../core/protocol/failure.ts';

/** The tokens of a model as a tree of their bytes, flattened: a node's subtree lies behind it. Node 0 is the root. */
export interface Vocabulary {
  /** Number of token ids. */
  readonly size: number;
  /** Bytes of a token; none for one that steers the model. */
  bytesOf: (id: number) => Uint8Array;
  /** The byte that leads to a node. */
  readonly bytes: Uint8Array;
  /** Bytes from the root. */
  readonly depths: Uint16Array;
  /** First node that is not in a node's subtree. */
  readonly ends: Uint32Array;
  /** Tokens that end at node i: `tokens` from `firsts[i]` up to `firsts[i + 1]`. */
  readonly firsts: Uint32Array;
  readonly tokens: Uint32Array;
  readonly deepest: number;
}

/**
 * @param size token ids of the model, those without a token included.
 * @throws RequestError `misconfigured` when a byte has no token of its own: some texts could then not be written at all,
 *   and a grammar could lead to a place where no token fits.
 */
export function createVocabulary(size: number, bytesOf: (id: number) => Uint8Array): Vocabulary {
  const spelled = Array.from({ length: size }, (_, id) => ({ id, text: bytesOf(id) })).filter(
    ({ text }) => text.length > 0,
  );
  const alone = new Set(spelled.filter(({ text }) => text.length === 1).map(({ text }) => text[0]));
  if (alone.size < 256) {
    const message = `The tokenizer has a token of their own for ${alone.size} of the 256 bytes; forms need all of them`;
    throw new RequestError({ kind: 'misconfigured', message });
  }
  spelled.sort((a, b) => compare(a.text, b.text) || a.id - b.id);

  const most = spelled.reduce((sum, { text }) => sum + text.length, 1);
  const bytes = new Uint8Array(most);
  const depths = new Uint16Array(most);
  const ends = new Uint32Array(most);
  const firsts = new Uint32Array(most + 1);
  const open: number[] = [0];
  let nodes = 1;
  let previous = new Uint8Array();
  for (const [index, { text }] of spelled.entries()) {
    const shared = commonLength(previous, text);
    close(open, shared + 1, nodes, ends);
    for (let depth = shared; depth < text.length; depth++) {
      bytes[nodes] = text[depth] ?? 0;
      depths[nodes] = depth + 1;
      firsts[nodes] = index;
      open.push(nodes++);
    }
    // Equal texts are neighbours, so the tokens of a node are too.
    firsts[nodes] = index + 1;
    previous = Uint8Array.from(text);
  }
  close(open, 0, nodes, ends);
  return {
    size,
    bytesOf,
    bytes: bytes.slice(0, nodes),
    depths: depths.slice(0, nodes),
    ends: ends.slice(0, nodes),
    firsts: firsts.slice(0, nodes + 1),
    tokens: Uint32Array.from(spelled, ({ id }) => id),
    deepest: depths.reduce((most, depth) => Math.max(most, depth), 0),
  };
}

/** Ends the subtrees of all open nodes but the first `kept`. */
function close(open: number[], kept: number, end: number, ends: Uint32Array): void {
  for (const node of open.splice(kept)) {
    ends[node] = end;
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const shared = commonLength(a, b);
  return (a[shared] ?? -1) - (b[shared] ?? -1);
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) {
    length += 1;
  }
  return length;
}
