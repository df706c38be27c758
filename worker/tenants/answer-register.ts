import { ANSWER_LEASE_SECONDS, IDEMPOTENCY_SECONDS } from '../../src/core/limits.ts';
import type { Failure } from '../../src/core/protocol/failure.ts';
import { refused, type Reply, reply } from './reply.ts';

export interface IdempotencyKey {
  key: string;
  /** SHA-256 of what was asked. */
  hash: string;
}

/** `new`: this caller answers. `done`: the answer is kept under this name. */
export type Begun = { state: 'new'; name: string } | { state: 'done'; name: string };

type Row = { hash: string; name: string; state: 'running' | 'done'; expires: number };

/** Answers under idempotency keys: who is making one, and where a finished one is kept. */
export interface AnswerRegister {
  begin(asked: IdempotencyKey, name: string, now: number): Reply<Begun>;
  /** The answer is kept until the tenant's retention ends, a day at most; `null` gives the key free. */
  end(key: string, name: string, keepSeconds: number | null, now: number): void;
  expired(now: number, limit: number): string[];
  nextExpiry(): number | null;
  forget(names: readonly string[]): void;
  all(): string[];
}

export function openAnswerRegister(storage: DurableObjectStorage): AnswerRegister {
  const { sql } = storage;
  return {
    begin({ key, hash }, name, now) {
      return storage.transactionSync((): Reply<Begun> => {
        const [row] = sql.exec<Row>('SELECT hash, name, state, expires FROM answers WHERE key = ?', key).toArray();
        if (row !== undefined && row.expires > now) {
          return known(row, hash, now);
        }
        sql.exec(
          `INSERT OR REPLACE INTO answers (key, hash, name, state, expires) VALUES (?, ?, ?, 'running', ?)`,
          key,
          hash,
          name,
          now + ANSWER_LEASE_SECONDS,
        );
        return reply({ state: 'new', name });
      });
    },
    end(key, name, keepSeconds, now) {
      if (keepSeconds === null) {
        sql.exec('DELETE FROM answers WHERE key = ? AND name = ?', key, name);
        return;
      }
      const expires = now + Math.min(keepSeconds, IDEMPOTENCY_SECONDS);
      sql.exec(`UPDATE answers SET state = 'done', expires = ? WHERE key = ? AND name = ?`, expires, key, name);
    },
    expired(now, limit) {
      const query = 'SELECT name FROM answers WHERE expires <= ? LIMIT ?';
      return sql
        .exec<{ name: string }>(query, now, limit)
        .toArray()
        .map(({ name }) => name);
    },
    all: () =>
      sql
        .exec<{ name: string }>('SELECT name FROM answers')
        .toArray()
        .map(({ name }) => name),
    nextExpiry() {
      return sql.exec<{ at: number | null }>('SELECT MIN(expires) AS at FROM answers').one().at;
    },
    forget(names) {
      for (const name of names) {
        sql.exec('DELETE FROM answers WHERE name = ?', name);
      }
    },
  };
}

function known(row: Row, hash: string, now: number): Reply<Begun> {
  if (row.hash !== hash) {
    return refused(KEY_REUSED);
  }
  if (row.state === 'running') {
    const message = 'The request with this Idempotency-Key is still being answered';
    return refused({ kind: 'in-progress', message, retryAfterSeconds: Math.min(5, row.expires - now) });
  }
  return reply({ state: 'done', name: row.name });
}

export const KEY_REUSED: Failure = {
  kind: 'conflict',
  code: 'idempotency_key_reused',
  message: 'This Idempotency-Key was used for another request',
};
