import { WORK_WATCH_MAX_SECONDS } from '../../src/core/limits.ts';

/** Which Workflow runs it. */
export type WorkKind = 'job' | 'delivery';

export interface Work {
  kind: WorkKind;
  /** Of the Workflow instance. */
  id: string;
  started: boolean;
  watches: number;
}

/**
 * The Workflow instances that this tenant needs, until they report that they are done: an outbox, and a watch over what
 * was handed over. An instance that is silent for too long is looked after, each time after twice as long.
 */
export interface WorkList {
  add(kind: WorkKind, id: string): void;
  done(kind: WorkKind, id: string): void;
  /** Oldest first. Of jobs, no more than there is room for. */
  unstarted(kind: WorkKind, limit: number): string[];
  /** Handed over, or heard of: it is looked after when it is silent from `now` for so long. */
  watch(kind: WorkKind, id: string, now: number, seconds: number): void;
  overdue(now: number, limit: number): Work[];
  /** Looked after; the next time is later. */
  lookedAfter(work: Work, now: number, seconds: number): void;
  /** When there is something to do next, in Unix seconds; null when there is nothing. */
  nextAt(): number | null;
}

/** @param jobsAtOnce how many jobs may be under way: handed over and not done. */
export function sqlWorkList(sql: SqlStorage, jobsAtOnce: () => number): WorkList {
  function room(kind: WorkKind): number {
    if (kind === 'delivery') {
      return Infinity;
    }
    const query = `SELECT COUNT(*) AS n FROM work WHERE kind = 'job' AND started = 1`;
    return Math.max(0, jobsAtOnce() - sql.exec<{ n: number }>(query).one().n);
  }

  return {
    add(kind, id) {
      sql.exec('INSERT OR IGNORE INTO work (kind, id, started, watch_at, watches) VALUES (?, ?, 0, 0, 0)', kind, id);
    },
    done(kind, id) {
      sql.exec('DELETE FROM work WHERE kind = ? AND id = ?', kind, id);
    },
    unstarted(kind, limit) {
      const query = 'SELECT id FROM work WHERE kind = ? AND started = 0 ORDER BY rowid LIMIT ?';
      return sql
        .exec<{ id: string }>(query, kind, Math.min(limit, room(kind)))
        .toArray()
        .map(({ id }) => id);
    },
    watch(kind, id, now, seconds) {
      const update = 'UPDATE work SET started = 1, watch_at = ?, watches = 0 WHERE kind = ? AND id = ?';
      sql.exec(update, Math.ceil(now + seconds), kind, id);
    },
    overdue(now, limit) {
      const query = 'SELECT kind, id, watches FROM work WHERE started = 1 AND watch_at <= ? ORDER BY watch_at LIMIT ?';
      return sql
        .exec<{ kind: WorkKind; id: string; watches: number }>(query, now, limit)
        .toArray()
        .map((row) => ({ ...row, started: true }));
    },
    lookedAfter({ kind, id, watches }, now, seconds) {
      const wait = Math.min(seconds * 2 ** (watches + 1), WORK_WATCH_MAX_SECONDS);
      const update = 'UPDATE work SET watch_at = ?, watches = ? WHERE kind = ? AND id = ?';
      sql.exec(update, Math.ceil(now + wait), watches + 1, kind, id);
    },
    nextAt() {
      if ((['job', 'delivery'] as const).some((kind) => this.unstarted(kind, 1).length > 0)) {
        return 0;
      }
      return sql.exec<{ at: number | null }>('SELECT MIN(watch_at) AS at FROM work WHERE started = 1').one().at;
    },
  };
}
