import { printableLines } from './printable.ts';

/** Says on stderr what the user should know and may go on with. */
export function warn(text: string): void {
  process.stderr.write(`warning: ${printableLines(text)}\n`);
}
