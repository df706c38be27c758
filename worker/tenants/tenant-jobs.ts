import { eventOf, isOver, type Job, type JobEnd } from '../../src/core/jobs/job.ts';
import type { JobTask } from '../../src/core/jobs/job-request.ts';
import { IDEMPOTENCY_SECONDS, JOB_LEASE_SECONDS } from '../../src/core/limits.ts';
import { type Call, record, reserve, settle } from '../../src/core/tenants/account.ts';
import type { TenantSettings } from '../../src/core/tenants/settings.ts';
import { sqlAccount } from './account-sql.ts';
import { type IdempotencyKey, KEY_REUSED } from './answer-register.ts';
import { type JobIndex, type JobWebhook, openJobIndex } from './job-index.ts';
import { quotaRefusal } from './quota-refusal.ts';
import { refused, type Reply, reply } from './reply.ts';
import type { WebhookBook } from './webhook-book.ts';
import type { WorkList } from './work-list.ts';

/** A job as it is handed in; its payload is in R2 already. */
export interface NewJob {
  id: string;
  ref: string | null;
  task: JobTask;
  model: string;
  /** The most tokens that it can cost. */
  tokens: number;
}

export interface Submission {
  batch: string;
  jobs: NewJob[];
  webhook: JobWebhook | null;
  idempotency: IdempotencyKey | null;
}

/** Jobs that were taken in, or had been before under the same idempotency key. */
export interface Submitted {
  jobs: Job[];
  replayed: boolean;
}

export interface TenantJobs {
  index: JobIndex;
  /** What an idempotency key stands for; null for a new one. */
  known(idempotency: Submission['idempotency'], now: number): Reply<Submitted> | null;
  /** Takes in all jobs of a call, or none. */
  submit(call: Submission, settings: TenantSettings, now: number): Reply<Submitted>;
  end(id: string, end: JobEnd | { state: 'cancelled' }, now: number): Job | null;
  record(id: string, part: string, calls: readonly Call[], now: number): void;
  forget(id: string): void;
}

/** Rolls a transaction back with a reason. */
class Refusal extends Error {
  readonly answer: ReturnType<typeof refused>;
  constructor(answer: ReturnType<typeof refused>) {
    super(answer.failure.kind);
    this.answer = answer;
  }
}

/** The rules of a tenant's jobs: what happens together happens in one transaction. */
export function openTenantJobs(storage: DurableObjectStorage, work: WorkList, book: WebhookBook): TenantJobs {
  const { sql } = storage;
  const index = openJobIndex(sql);
  const account = sqlAccount(sql);

  function known(idempotency: Submission['idempotency'], now: number): Reply<Submitted> | null {
    if (idempotency === null) {
      return null;
    }
    sql.exec('DELETE FROM idempotency WHERE expires <= ?', now);
    const query = 'SELECT hash, batch FROM idempotency WHERE key = ?';
    const [before] = sql.exec<{ hash: string; batch: string }>(query, idempotency.key).toArray();
    if (before === undefined) {
      return null;
    }
    if (before.hash !== idempotency.hash) {
      return refused(KEY_REUSED);
    }
    return reply({ jobs: index.ofBatch(before.batch), replayed: true });
  }

  function take({ batch, jobs, webhook, idempotency }: Submission, settings: TenantSettings, now: number): Submitted {
    for (const { id, ref, task, model, tokens } of jobs) {
      const asked = { id, requests: 1, tokens, leaseSeconds: JOB_LEASE_SECONDS };
      const outcome = reserve(account, settings.quotas, asked, now);
      if (outcome.kind === 'refused') {
        throw new Refusal(refused(quotaRefusal(outcome)));
      }
      const expires = now + settings.retentionSeconds;
      index.add({ id, batch, ref, task, model, created: now, expires, webhook: webhook?.id ?? null }, webhook);
      work.add('job', id);
    }
    if (idempotency !== null) {
      const values = [idempotency.key, idempotency.hash, batch, now + IDEMPOTENCY_SECONDS];
      sql.exec('INSERT INTO idempotency (key, hash, batch, expires) VALUES (?, ?, ?, ?)', ...values);
    }
    return { jobs: index.ofBatch(batch), replayed: false };
  }

  return {
    index,
    known,
    submit(call, settings, now) {
      try {
        return storage.transactionSync(() => known(call.idempotency, now) ?? reply(take(call, settings, now)));
      } catch (error) {
        if (error instanceof Refusal) {
          return error.answer;
        }
        throw error;
      }
    },
    end(id, end, now) {
      return storage.transactionSync(() => {
        if (index.end(id, end, now)) {
          settle(account, id);
          work.done('job', id);
          const webhook = index.webhookOf(id);
          const type = eventOf(end.state);
          const message = `msg_${id.replace(/^job_/, '')}`;
          if (webhook !== null && type !== null) {
            const sent = {
              id: message,
              job: id,
              webhook: webhook.id,
              url: webhook.url,
              payload: webhook.payload,
              type,
            };
            if (book.addMessage(sent, now)) {
              work.add('delivery', `${message}-1`);
            }
          }
        }
        return index.find(id);
      });
    },
    record(id, part, calls, now) {
      storage.transactionSync(() => record(account, id, part, calls, now));
    },
    forget(id) {
      storage.transactionSync(() => {
        const job = index.find(id);
        if (job !== null && !isOver(job.state)) {
          settle(account, id);
        }
        work.done('job', id);
        book.removeJob(id);
        index.remove(id);
      });
    },
  };
}
