import { WEBHOOKS_MAX } from '../../src/core/limits.ts';
import type { AttemptResult } from '../../src/core/webhooks/attempt-result.ts';
import type { EventType, Payload } from '../../src/core/webhooks/event.ts';
import type { NextStep } from '../../src/core/webhooks/retry-schedule.ts';
import type { SigningKeys } from '../webhooks/signing-keys.ts';
import { refused, type Reply, reply } from './reply.ts';

/** The webhook whose keys sign for URLs that a job names itself. */
export const DEFAULT_WEBHOOK = 'default';

export interface WebhookInfo {
  id: string;
  /** Null for the one that has no URL of its own. */
  url: string | null;
  payload: Payload;
  /** Signs with Ed25519 as well. */
  ed25519: boolean;
  /** Why nothing is sent there any more, or null. */
  disabled: string | null;
  created: number;
}

export type DeliveryState = 'pending' | 'delivered' | 'failed' | 'disabled';

export interface Delivery {
  /** The `webhook-id` that the receiver sees, the same at every attempt and redelivery. */
  id: string;
  job: string;
  webhook: string;
  url: string;
  type: EventType;
  state: DeliveryState;
  created: number;
  ended: number | null;
  attempts: { run: number; n: number; at: number; status: number | null; reason: string | null }[];
}

/** What one attempt needs. */
export interface DeliveryPlan {
  url: string;
  payload: Payload;
  type: EventType;
  job: string;
  keys: SigningKeys;
  ed25519: boolean;
}

type WebhookRow = Record<'id' | 'payload' | 'keys', string> &
  Record<'url' | 'disabled', string | null> &
  Record<'ed25519' | 'created', number>;
type MessageRow = Record<'id' | 'job' | 'webhook' | 'url' | 'payload' | 'type' | 'state', string> &
  Record<'seq' | 'run' | 'created', number> & { ended: number | null };

/** A tenant's receivers, the messages to them and the log of every attempt. */
export function openWebhookBook(sql: SqlStorage) {
  const row = (id: string): WebhookRow | undefined =>
    sql.exec<WebhookRow>('SELECT * FROM webhooks WHERE id = ?', id).toArray()[0];
  const message = (id: string): MessageRow | undefined =>
    sql.exec<MessageRow>('SELECT * FROM messages WHERE id = ?', id).toArray()[0];

  return {
    list: (): WebhookInfo[] =>
      sql.exec<WebhookRow>('SELECT * FROM webhooks ORDER BY created, id').toArray().map(toInfo),
    find(id: string): WebhookInfo | null {
      const found = row(id);
      return found === undefined ? null : toInfo(found);
    },
    keys(id: string): SigningKeys | null {
      const found = row(id);
      return found === undefined ? null : (JSON.parse(found.keys) as SigningKeys);
    },
    add({ id, url, payload, ed25519, created }: WebhookInfo, keys: SigningKeys): Reply<WebhookInfo> {
      if (
        row(id) === undefined &&
        sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM webhooks').one().n >= WEBHOOKS_MAX
      ) {
        const text = `A tenant has at most ${WEBHOOKS_MAX} webhooks`;
        return refused({ kind: 'conflict', code: 'too_many_webhooks', message: text });
      }
      sql.exec(
        'INSERT OR IGNORE INTO webhooks (id, url, payload, ed25519, keys, created) VALUES (?, ?, ?, ?, ?, ?)',
        id,
        url,
        payload,
        ed25519 ? 1 : 0,
        JSON.stringify(keys),
        created,
      );
      return reply({ id, url, payload, ed25519, disabled: null, created });
    },
    setKeys(id: string, keys: SigningKeys): void {
      sql.exec('UPDATE webhooks SET keys = ? WHERE id = ?', JSON.stringify(keys), id);
    },
    enable(id: string): void {
      sql.exec('UPDATE webhooks SET disabled = NULL WHERE id = ?', id);
    },
    remove(id: string): boolean {
      return sql.exec('DELETE FROM webhooks WHERE id = ?', id).rowsWritten > 0;
    },

    /** A message about a job, to be delivered; false where its receiver wants none. */
    addMessage(
      sent: { id: string; job: string; webhook: string; url: string | null; payload: Payload | null; type: EventType },
      now: number,
    ): boolean {
      const to = row(sent.webhook);
      const url = sent.url ?? to?.url ?? null;
      if (to === undefined || to.disabled !== null || url === null) {
        return false;
      }
      sql.exec(
        `INSERT OR IGNORE INTO messages (id, job, webhook, url, payload, type, state, run, created)
          VALUES (?, ?, ?, ?, ?, ?, 'pending', 1, ?)`,
        sent.id,
        sent.job,
        sent.webhook,
        url,
        sent.payload ?? to.payload,
        sent.type,
        now,
      );
      return true;
    },
    /** Null when the message is gone, delivered, or its receiver wants no more. */
    plan(id: string, run: number): DeliveryPlan | null {
      const found = message(id);
      const to = found === undefined ? undefined : row(found.webhook);
      if (
        found === undefined ||
        to === undefined ||
        found.state !== 'pending' ||
        found.run !== run ||
        to.disabled !== null
      ) {
        return null;
      }
      const { url, payload, type, job } = found;
      const keys = JSON.parse(to.keys) as SigningKeys;
      return { url, payload: payload as Payload, type: type as EventType, job, keys, ed25519: to.ed25519 === 1 };
    },
    /** Keeps what became of an attempt; the same attempt again replaces it. */
    attempted(id: string, run: number, n: number, result: AttemptResult, next: NextStep, now: number): void {
      const reason = result.kind === 'failed' ? result.reason : null;
      sql.exec(
        'INSERT OR REPLACE INTO attempts (message, run, n, at, status, reason) VALUES (?, ?, ?, ?, ?, ?)',
        id,
        run,
        n,
        now,
        result.status,
        reason,
      );
      if (next.kind === 'wait') {
        return;
      }
      const state: DeliveryState = next.kind === 'exhausted' ? 'failed' : next.kind;
      sql.exec('UPDATE messages SET state = ?, ended = ? WHERE id = ? AND run = ?', state, now, id, run);
      const webhook = message(id)?.webhook;
      // A URL that a job named itself has nothing else to switch off.
      if (next.kind === 'disabled' && webhook !== undefined && webhook !== DEFAULT_WEBHOOK) {
        sql.exec('UPDATE webhooks SET disabled = ? WHERE id = ?', 'its receiver answered 410', webhook);
      }
    },
    /** Ends a message that cannot be delivered; a later redelivery may. */
    giveUp(id: string, run: number, now: number): void {
      sql.exec(
        `UPDATE messages SET state = 'failed', ended = ? WHERE id = ? AND run = ? AND state = 'pending'`,
        now,
        id,
        run,
      );
    },
    /** A new run of the same message; gives its number. */
    redeliver(id: string): number | null {
      const found = message(id);
      if (found === undefined) {
        return null;
      }
      sql.exec(`UPDATE messages SET state = 'pending', ended = NULL, run = run + 1 WHERE id = ?`, id);
      return found.run + 1;
    },
    deliveries({ job, limit }: { job: string | null; limit: number }): Delivery[] {
      const query = 'SELECT * FROM messages WHERE ? IS NULL OR job = ? ORDER BY seq DESC LIMIT ?';
      return sql
        .exec<MessageRow>(query, job, job, limit)
        .toArray()
        .map(({ id, job: of, webhook, url, type, state, created, ended }) => ({
          id,
          job: of,
          webhook,
          url,
          created,
          ended,
          type: type as EventType,
          state: state as DeliveryState,
          attempts: sql
            .exec<Delivery['attempts'][number]>(
              'SELECT run, n, at, status, reason FROM attempts WHERE message = ? ORDER BY run, n',
              id,
            )
            .toArray(),
        }));
    },
    /** Forgets everything about a job. */
    removeJob(job: string): void {
      sql.exec('DELETE FROM attempts WHERE message IN (SELECT id FROM messages WHERE job = ?)', job);
      sql.exec('DELETE FROM messages WHERE job = ?', job);
    },
  };
}

export type WebhookBook = ReturnType<typeof openWebhookBook>;

function toInfo({ id, url, payload, ed25519, disabled, created }: WebhookRow): WebhookInfo {
  return { id, url, payload: payload as Payload, ed25519: ed25519 === 1, disabled, created };
}
