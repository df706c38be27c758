/** Names come from files: a terminal would obey what control characters say, and a line break would make a line of its own. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{fffd}');
}

/** The same for a message of our own, whose line breaks are meant. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
