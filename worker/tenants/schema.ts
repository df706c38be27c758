/**
 * Tables of one tenant's object. Text that a client wrote is in none of them: payloads and results are in R2, and go with
 * the job. docs/tenants.md says how long each row is kept.
 */
const TABLES = [
  // One row: the tenant itself.
  `CREATE TABLE IF NOT EXISTS tenant (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, settings TEXT NOT NULL, created INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, purpose TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER)`,
  `CREATE TABLE IF NOT EXISTS unpublished (key_id TEXT PRIMARY KEY)`,
  `CREATE TABLE IF NOT EXISTS entries (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, at INTEGER NOT NULL, windows TEXT NOT NULL, reserved INTEGER NOT NULL,
    lease_until INTEGER NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS entries_open ON entries (lease_until) WHERE state = 'open'`,
  `CREATE TABLE IF NOT EXISTS used (
    quota TEXT NOT NULL, starts_at INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (quota, starts_at)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS parts (
    entry TEXT NOT NULL, part TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (entry, part)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS calls (
    entry TEXT NOT NULL, part TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, upstream TEXT NOT NULL,
    model TEXT NOT NULL, outcome TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    billed INTEGER NOT NULL, PRIMARY KEY (entry, part, n)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS calls_at ON calls (at)`,
] as const;

export function createTables(sql: SqlStorage): void {
  for (const statement of TABLES) {
    sql.exec(statement);
  }
}
