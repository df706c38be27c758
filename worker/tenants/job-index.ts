import { isOver, type Job, type JobEnd, type JobError, type JobState } from '../../src/core/jobs/job.ts';
import type { JobTask } from '../../src/core/jobs/job-request.ts';
import type { Payload } from '../../src/core/webhooks/event.ts';

/** Where a job's end is told. */
export interface JobWebhook {
  /** The webhook whose keys sign. */
  id: string;
  /** Instead of the webhook's own URL. */
  url: string | null;
  payload: Payload | null;
}

export interface JobPage {
  jobs: Job[];
  /** Cursor of the next page, or null. */
  next: string | null;
}

export interface ListOptions {
  limit: number;
  cursor: string | null;
  batch: string | null;
  state: JobState | null;
}

type JobRow = Record<'id' | 'task' | 'model' | 'state', string> &
  Record<'batch' | 'ref' | 'error' | 'webhook' | 'webhook_url' | 'webhook_payload', string | null> &
  Record<'seq' | 'created' | 'expires', number> &
  Record<'started' | 'ended', number | null>;

/** The tenant's jobs, newest first in lists. */
export function openJobIndex(sql: SqlStorage) {
  const row = (id: string): JobRow | undefined => sql.exec<JobRow>('SELECT * FROM jobs WHERE id = ?', id).toArray()[0];
  return {
    add(job: Omit<Job, 'started' | 'ended' | 'error' | 'state'>, webhook: JobWebhook | null): void {
      const { id, batch, ref, task, model, created, expires } = job;
      sql.exec(
        `INSERT INTO jobs (id, batch, ref, task, model, state, created, expires, webhook, webhook_url, webhook_payload)
          VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)`,

        id,
        batch,
        ref,
        task,
        model,
        created,
        expires,
        webhook?.id ?? null,
        webhook?.url ?? null,
        webhook?.payload ?? null,
      );
    },
    find(id: string): Job | null {
      const found = row(id);
      return found === undefined ? null : toJob(found);
    },
    webhookOf(id: string): JobWebhook | null {
      const { webhook = null, webhook_url: url = null, webhook_payload: payload = null } = row(id) ?? {};
      return webhook === null ? null : { id: webhook, url, payload: payload as Payload | null };
    },
    start(id: string, now: number): void {
      sql.exec(`UPDATE jobs SET state = 'running', started = ? WHERE id = ? AND state = 'queued'`, now, id);
    },
    /** False when it was over already: the first end holds. */
    end(id: string, end: JobEnd | { state: 'cancelled' }, now: number): boolean {
      const found = row(id);
      if (found === undefined || isOver(found.state as JobState)) {
        return false;
      }
      const error = end.state === 'failed' ? JSON.stringify(end.error) : null;
      sql.exec('UPDATE jobs SET state = ?, error = ?, ended = ? WHERE id = ?', end.state, error, now, id);
      return true;
    },
    ofBatch(batch: string): Job[] {
      return sql.exec<JobRow>('SELECT * FROM jobs WHERE batch = ? ORDER BY seq', batch).toArray().map(toJob);
    },
    list({ limit, cursor, batch, state }: ListOptions): JobPage {
      const before = cursor === null ? Number.MAX_SAFE_INTEGER : Number.parseInt(cursor, 36);
      const rows = sql
        .exec<JobRow>(
          `SELECT * FROM jobs WHERE seq < ? AND (? IS NULL OR batch = ?) AND (? IS NULL OR state = ?)
            ORDER BY seq DESC LIMIT ?`,
          before,
          batch,
          batch,
          state,
          state,
          limit + 1,
        )
        .toArray();
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return { jobs: page.map(toJob), next: rows.length > limit && last !== undefined ? last.seq.toString(36) : null };
    },
    expired(now: number, limit: number): string[] {
      const query = 'SELECT id FROM jobs WHERE expires <= ? ORDER BY expires LIMIT ?';
      return sql
        .exec<{ id: string }>(query, now, limit)
        .toArray()
        .map(({ id }) => id);
    },
    nextExpiry(): number | null {
      return sql.exec<{ at: number | null }>('SELECT MIN(expires) AS at FROM jobs').one().at;
    },
    remove(id: string): void {
      sql.exec('DELETE FROM jobs WHERE id = ?', id);
    },
  };
}

export type JobIndex = ReturnType<typeof openJobIndex>;

function toJob(row: JobRow): Job {
  return {
    id: row.id,
    batch: row.batch,
    ref: row.ref,
    task: row.task as JobTask,
    model: row.model,
    state: row.state as JobState,
    error: row.error === null ? null : (JSON.parse(row.error) as JobError),
    created: row.created,
    started: row.started,
    ended: row.ended,
    expires: row.expires,
    webhook: row.webhook_url ?? row.webhook,
  };
}
