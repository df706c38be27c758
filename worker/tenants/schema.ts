/**
 * Tables of one tenant's object. Prompts, images and answers are in none of them: payloads and results are in R2, and go
 * with the job. docs/tenants.md says how long each row is kept.
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
  `CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, batch TEXT, ref TEXT, task TEXT NOT NULL,
    model TEXT NOT NULL, state TEXT NOT NULL, error TEXT, created INTEGER NOT NULL, started INTEGER, ended INTEGER,
    expires INTEGER NOT NULL, webhook TEXT, webhook_url TEXT, webhook_payload TEXT)`,
  `CREATE INDEX IF NOT EXISTS jobs_batch ON jobs (batch)`,
  `CREATE INDEX IF NOT EXISTS jobs_expires ON jobs (expires)`,
  // Workflow instances that must run, until they say that they are done.
  `CREATE TABLE IF NOT EXISTS work (
    kind TEXT NOT NULL, id TEXT NOT NULL, started INTEGER NOT NULL, watch_at INTEGER NOT NULL, watches INTEGER NOT NULL,
    PRIMARY KEY (kind, id))`,
  `CREATE INDEX IF NOT EXISTS work_watch ON work (watch_at)`,
  `CREATE TABLE IF NOT EXISTS webhooks (
    id TEXT PRIMARY KEY, url TEXT, payload TEXT NOT NULL, ed25519 INTEGER NOT NULL, keys TEXT NOT NULL, disabled TEXT,
    created INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, webhook TEXT NOT NULL,
    url TEXT NOT NULL, payload TEXT NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL, run INTEGER NOT NULL,
    created INTEGER NOT NULL, ended INTEGER)`,
  `CREATE INDEX IF NOT EXISTS messages_job ON messages (job)`,
  `CREATE TABLE IF NOT EXISTS attempts (
    message TEXT NOT NULL, run INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, reason TEXT,
    PRIMARY KEY (message, run, n)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, hash TEXT NOT NULL, batch TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, hash TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, expires INTEGER NOT NULL)
    WITHOUT ROWID`,
] as const;

export function createTables(sql: SqlStorage): void {
  for (const statement of TABLES) {
    sql.exec(statement);
  }
}
