import type { AccountStore, Call, Entry } from '../../src/core/tenants/account.ts';
import type { QuotaWindow } from '../../src/core/tenants/quota-window.ts';
import type { UsageRow } from '../../src/core/tenants/usage-report.ts';

/** The account in the tenant's own database. */
export function sqlAccount(sql: SqlStorage): AccountStore {
  return {
    entry(id) {
      const [row] = sql.exec<EntryRow>('SELECT * FROM entries WHERE id = ?', id).toArray();
      return row === undefined ? null : toEntry(row);
    },
    put({ id, state, at, windows, reservedTokens, leaseUntil }) {
      const values = [id, state, at, JSON.stringify(windows), reservedTokens, leaseUntil];
      sql.exec(
        'INSERT OR REPLACE INTO entries (id, state, at, windows, reserved, lease_until) VALUES (?,?,?,?,?,?)',
        ...values,
      );
    },
    overdue(now) {
      const query = `SELECT * FROM entries WHERE state = 'open' AND lease_until <= ?`;
      return sql.exec<EntryRow>(query, now).toArray().map(toEntry);
    },
    use(window) {
      const query = 'SELECT amount FROM used WHERE quota = ? AND starts_at = ?';
      return sql.exec<{ amount: number }>(query, quotaKey(window), window.startsAt).toArray()[0]?.amount ?? 0;
    },
    addUse(window, amount) {
      const query = `INSERT INTO used (quota, starts_at, amount) VALUES (?, ?, ?)
        ON CONFLICT (quota, starts_at) DO UPDATE SET amount = amount + excluded.amount`;
      sql.exec(query, quotaKey(window), window.startsAt, amount);
    },
    calls(id) {
      return sql.exec<CallRow>('SELECT * FROM calls WHERE entry = ?', id).toArray().map(toCall);
    },
    hasPart(id, part) {
      return sql.exec('SELECT 1 FROM parts WHERE entry = ? AND part = ?', id, part).toArray().length > 0;
    },
    addPart(id, part, at, calls) {
      sql.exec('INSERT INTO parts (entry, part, at) VALUES (?, ?, ?)', id, part, at);
      for (const [n, call] of calls.entries()) {
        const { upstream, model, outcome, promptTokens, completionTokens, billed } = call;
        const values = [id, part, n, at, upstream, model, outcome, promptTokens, completionTokens, billed ? 1 : 0];
        sql.exec(
          `INSERT INTO calls (entry, part, n, at, upstream, model, outcome, prompt_tokens, completion_tokens, billed)
            VALUES (?,?,?,?,?,?,?,?,?,?)`,
          ...values,
        );
      }
    },
  };
}

/** Usage by day, model and server, of calls recorded from `from` to before `to` (Unix seconds). */
export function usageRows(sql: SqlStorage, from: number, to: number): UsageRow[] {
  const query = `SELECT date(at, 'unixepoch') AS day, model, upstream, COUNT(*) AS calls, SUM(billed) AS billedCalls,
      SUM(prompt_tokens) AS promptTokens, SUM(completion_tokens) AS completionTokens,
      SUM(prompt_tokens * billed) AS billedPromptTokens, SUM(completion_tokens * billed) AS billedCompletionTokens
    FROM calls WHERE at >= ? AND at < ? GROUP BY day, model, upstream ORDER BY day, model, upstream`;
  return sql.exec<UsageRow & Record<string, SqlStorageValue>>(query, from, to).toArray();
}

type EntryRow = Record<'id' | 'state' | 'windows', string> & Record<'at' | 'reserved' | 'lease_until', number>;
type CallRow = Record<'upstream' | 'model' | 'outcome', string> &
  Record<'prompt_tokens' | 'completion_tokens' | 'billed', number>;

function toEntry(row: EntryRow): Entry {
  return {
    id: row.id,
    state: row.state as Entry['state'],
    at: row.at,
    windows: JSON.parse(row.windows) as QuotaWindow[],
    reservedTokens: row.reserved,
    leaseUntil: row.lease_until,
  };
}

function toCall(row: CallRow): Call {
  return {
    upstream: row.upstream,
    model: row.model,
    outcome: row.outcome,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    billed: row.billed === 1,
  };
}

function quotaKey({ of, per }: QuotaWindow): string {
  return `${of}/${per}`;
}
