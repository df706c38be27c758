/**
 * When a server wants to be asked again: `retry-after-ms` (OpenAI), or `retry-after` in seconds or as a date (RFC 9110
 * §10.2.3).
 *
 * @returns seconds, 0 or more; null where it does not say, or says nothing that can be read.
 */
export function readRetryAfter(headers: Headers, unixSeconds: number): number | null {
  const ms = number(headers.get('retry-after-ms'));
  if (ms !== null) {
    return ms / 1000;
  }
  const text = headers.get('retry-after');
  const date = text === null ? Number.NaN : Date.parse(text);
  return number(text) ?? (Number.isNaN(date) ? null : Math.max(0, date / 1000 - unixSeconds));
}

function number(text: string | null): number | null {
  return text !== null && /^\s*\d{1,12}(\.\d{1,9})?\s*$/.test(text) ? Number(text) : null;
}
