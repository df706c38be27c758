import { readFileSync } from 'node:fs';

/** The id of a token of plain letters. */
export function idOf(token: string): number {
  const { model } = JSON.parse(readFileSync('models/vora-random/tokenizer.json', 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  return model.vocab[token.replace(' ', 'Ġ')] ?? -1;
}

/** The tokens of `"` and `}` of the random model, which would otherwise seldom end a string. */
export function biasToClose(): Record<string, number> {
  const { model } = JSON.parse(readFileSync('models/vora-random/tokenizer.json', 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  return { [String(model.vocab['"'])]: 15, [String(model.vocab['}'])]: 30 };
}
