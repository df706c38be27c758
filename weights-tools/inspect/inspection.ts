/** What `vora inspect` found, in one form for every kind of file; what `--json` prints. */
export interface Inspection {
  readonly path: string;
  /** In a few words, e.g. `VoRA checkpoint`. */
  readonly kind: string;
  /** Printed in this order. */
  readonly facts: readonly Fact[];
  /** Of the tensors, not of the files around them. */
  readonly bytes: number;
  /** Tensors by what they belong to. */
  readonly parts: Readonly<Record<string, { readonly tensors: number; readonly bytes: number }>>;
  readonly tensors: readonly InspectedTensor[];
  /** What the files say themselves, e.g. `manifest`, `config`, `metadata`. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Fact {
  readonly label: string;
  readonly text: string;
}

export interface InspectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
  readonly bytes: number;
  readonly file: string;
  /** What it belongs to. */
  readonly part: string;
}

/** Adds up what the tensors say. */
export function inspectionOf(
  what: Pick<Inspection, 'path' | 'kind' | 'facts' | 'details'>,
  tensors: readonly InspectedTensor[],
): Inspection {
  const parts: Record<string, { tensors: number; bytes: number }> = {};
  for (const { part, bytes } of tensors) {
    const sum = (parts[part] ??= { tensors: 0, bytes: 0 });
    sum.tensors += 1;
    sum.bytes += bytes;
  }
  return { ...what, bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0), parts, tensors };
}

/** `28 × MatMulNBits, 2 × Add`, the most frequent first. */
export function countWords(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([, left], [, right]) => right - left)
    .map(([word, count]) => `${count} × ${word}`)
    .join(', ');
}
