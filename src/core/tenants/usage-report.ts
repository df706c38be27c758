/** What a tenant used on one day of one model, by the model server's own counts. */
export interface UsageRow {
  /** `2026-11-25`, UTC. */
  day: string;
  model: string;
  upstream: string;
  calls: number;
  /** Calls whose answer a client got. */
  billedCalls: number;
  promptTokens: number;
  completionTokens: number;
  billedPromptTokens: number;
  billedCompletionTokens: number;
}

const COLUMNS = [
  'day',
  'model',
  'upstream',
  'calls',
  'billedCalls',
  'promptTokens',
  'completionTokens',
  'billedPromptTokens',
  'billedCompletionTokens',
] as const satisfies readonly (keyof UsageRow)[];

/** RFC 4180, with a header; a name that a spreadsheet would take for a formula is quoted as text. */
export function usageCsv(rows: readonly UsageRow[]): string {
  const lines = rows.map((row) => COLUMNS.map((column) => csvField(row[column])));
  return [COLUMNS, ...lines].map((fields) => `${fields.join(',')}\r\n`).join('');
}

function csvField(value: string | number): string {
  if (typeof value === 'number') {
    return String(value);
  }
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
