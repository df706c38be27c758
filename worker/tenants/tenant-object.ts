import { isOver, type Job, type JobEnd } from '../../src/core/jobs/job.ts';
import {
  EXPIRED_JOBS_PER_ALARM,
  JOBS_AT_ONCE,
  OUTBOX_RETRY_MS,
  R2_DELETE_MAX,
  WORK_WATCH_SECONDS,
} from '../../src/core/limits.ts';
import type { Call } from '../../src/core/tenants/account.ts';
import type { AttemptResult } from '../../src/core/webhooks/attempt-result.ts';
import type { NextStep } from '../../src/core/webhooks/retry-schedule.ts';
import { deleteInstance } from '../jobs/delete-instance.ts';
import { openJobStore } from '../jobs/job-store.ts';
import { newSigningPair, type PublicKey, publicKeySet, rotate, type SigningKeys } from '../webhooks/signing-keys.ts';
import { type AnswerRegister, type Begun, type IdempotencyKey, openAnswerRegister } from './answer-register.ts';
import { tenantName } from './key-record.ts';
import type { JobPage, ListOptions } from './job-index.ts';
import { refused, type Reply, reply } from './reply.ts';
import { createTables } from './schema.ts';
import { nowSeconds, TenantRecord } from './tenant-record.ts';
import { openTenantJobs, type Submission, type Submitted, type TenantJobs } from './tenant-jobs.ts';
import {
  DEFAULT_WEBHOOK,
  type Delivery,
  type DeliveryPlan,
  openWebhookBook,
  type WebhookBook,
  type WebhookInfo,
} from './webhook-book.ts';
import { deliveryOf, keepWork } from './work-keeper.ts';
import { sqlWorkList, type WorkList } from './work-list.ts';

/** A webhook with the secret that its receiver verifies with. */
export interface MadeWebhook extends WebhookInfo {
  secret: string;
}

/**
 * The truth about one tenant: who may speak for it, what it may use and what it has used. One object for each, with a
 * database of its own; a method that does not wait is one transaction.
 */
export class TenantObject extends TenantRecord {
  readonly #work: WorkList;
  readonly #book: WebhookBook;
  readonly #jobs: TenantJobs;
  readonly #answers: AnswerRegister;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#work = sqlWorkList(this.sql, () => this.settings()?.jobsAtOnce ?? JOBS_AT_ONCE);
    this.#book = openWebhookBook(this.sql);
    this.#answers = openAnswerRegister(ctx.storage);
    this.#jobs = openTenantJobs(ctx.storage, this.#work, this.#book);
    void ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) {
        await this.#arm();
      }
    });
  }

  /** @param name under which the answer will be kept, if this caller is to make it. */
  async beginAnswer(asked: IdempotencyKey, name: string): Promise<Reply<Begun>> {
    const begun = this.#answers.begin(asked, name, nowSeconds());
    await this.#arm();
    return begun;
  }

  endAnswer(key: string, name: string, kept: boolean): void {
    const keepSeconds = kept ? (this.settings()?.retentionSeconds ?? null) : null;
    this.#answers.end(key, name, keepSeconds, nowSeconds());
  }

  /** Deletes all answers that are kept for repetitions or in the cache; tells how many. */
  async deleteAnswers(): Promise<number> {
    const row = this.row();
    const names = row === null ? [] : this.#answers.all();
    for (let start = 0; start < names.length; start += R2_DELETE_MAX) {
      await this.#forgetAnswers(row?.id ?? '', names.slice(start, start + R2_DELETE_MAX));
    }
    return names.length;
  }

  /** What an idempotency key stands for; null for a new one. */
  knownSubmission(idempotency: Submission['idempotency']): Reply<Submitted> | null {
    return this.#jobs.known(idempotency, nowSeconds());
  }

  /** Takes in all jobs of a call, or none; the alarm hands them over to Workflows. */
  async submit(call: Submission): Promise<Reply<Submitted>> {
    const row = this.row();
    if (row === null) {
      return refused({ kind: 'unauthorized', message: 'The tenant of this API key is gone' });
    }
    if (call.webhook?.id === DEFAULT_WEBHOOK) {
      await this.#ensureDefaultWebhook();
    } else if (call.webhook !== null && this.#book.find(call.webhook.id) === null) {
      return refused({ kind: 'no-such-resource', what: 'webhook', id: call.webhook.id });
    }
    const submitted = this.#jobs.submit(call, row.settings, nowSeconds());
    await this.#arm();
    return submitted;
  }

  job(id: string): Job | null {
    return this.#jobs.index.find(id);
  }

  listJobs(options: ListOptions): JobPage {
    return this.#jobs.index.list(options);
  }

  /** The job's Workflow works on it; null when there is nothing to do any more. */
  startJob(id: string): Job | null {
    this.#work.watch('job', id, nowSeconds(), this.#watchSeconds());
    this.#jobs.index.start(id, nowSeconds());
    const job = this.#jobs.index.find(id);
    return job === null || isOver(job.state) ? null : job;
  }

  reportJob(id: string, part: string, calls: readonly Call[]): void {
    this.#jobs.record(id, part, calls, nowSeconds());
  }

  /** The first end holds; what comes later changes nothing. */
  async endJob(id: string, end: JobEnd): Promise<void> {
    this.#jobs.end(id, end, nowSeconds());
    await this.#arm();
  }

  async cancelJob(id: string): Promise<Reply<Job>> {
    const before = this.#jobs.index.find(id);
    const job = this.#jobs.end(id, { state: 'cancelled' }, nowSeconds());
    if (before === null || job === null) {
      return refused({ kind: 'no-such-resource', what: 'job', id });
    }
    if (!isOver(before.state)) {
      // A Workflow that goes on all the same finds its job over.
      await deleteInstance(this.env.JOBS, id);
      await this.#arm();
    }
    return reply(job);
  }

  /** Deletes payload, image, result, log and index entry; the ledger keeps its counts. */
  async deleteJob(id: string): Promise<Reply<null>> {
    const job = this.#jobs.index.find(id);
    const row = this.row();
    if (job === null || row === null) {
      return refused({ kind: 'no-such-resource', what: 'job', id });
    }
    await deleteInstance(this.env.JOBS, id);
    await openJobStore(this.env.TENANT_DATA, row.id).remove([id]);
    this.#jobs.forget(id);
    await this.#arm();
    return reply(null);
  }

  async addWebhook(wanted: Pick<WebhookInfo, 'url' | 'payload' | 'ed25519'>): Promise<Reply<MadeWebhook>> {
    const keys: SigningKeys = { current: await newSigningPair(), previous: null, previousUntil: 0 };
    const id = `whe_${crypto.randomUUID().replaceAll('-', '')}`;
    const added = this.#book.add({ ...wanted, id, disabled: null, created: nowSeconds() }, keys);
    return added.ok ? reply({ ...added.value, secret: keys.current.secret }) : added;
  }

  listWebhooks(): WebhookInfo[] {
    return this.#book.list();
  }

  /** With its secret; asked for by its owner only. */
  async webhook(id: string): Promise<Reply<MadeWebhook>> {
    if (id === DEFAULT_WEBHOOK) {
      await this.#ensureDefaultWebhook();
    }
    const info = this.#book.find(id);
    const keys = this.#book.keys(id);
    return info === null || keys === null
      ? refused({ kind: 'no-such-resource', what: 'webhook', id })
      : reply({ ...info, secret: keys.current.secret });
  }

  /** A new secret and key pair; those before go on signing beside them for a day. */
  async rotateWebhook(id: string): Promise<Reply<MadeWebhook>> {
    const next = await newSigningPair();
    const keys = this.#book.keys(id);
    if (keys !== null) {
      this.#book.setKeys(id, rotate(keys, next, nowSeconds()));
    }
    return this.webhook(id);
  }

  enableWebhook(id: string): Promise<Reply<MadeWebhook>> {
    this.#book.enable(id);
    return this.webhook(id);
  }

  removeWebhook(id: string): Reply<null> {
    return this.#book.remove(id) ? reply(null) : refused({ kind: 'no-such-resource', what: 'webhook', id });
  }

  /** Public halves for anybody to verify with. */
  publicKeys(id: string): { keys: PublicKey[] } | null {
    const keys = this.#book.keys(id);
    return keys === null ? null : publicKeySet(keys, nowSeconds());
  }

  /** What an attempt needs; null when there is nothing to send any more. */
  deliveryPlan(message: string, run: number): DeliveryPlan | null {
    const plan = this.#book.plan(message, run);
    if (plan === null) {
      this.#book.giveUp(message, run, nowSeconds());
      this.#work.done('delivery', `${message}-${run}`);
    }
    return plan;
  }

  attempted(message: string, run: number, n: number, result: AttemptResult, next: NextStep): void {
    const instance = `${message}-${run}`;
    this.#book.attempted(message, run, n, result, next, nowSeconds());
    if (next.kind === 'wait') {
      this.#work.watch('delivery', instance, nowSeconds() + next.seconds, this.#watchSeconds());
    } else {
      this.#work.done('delivery', instance);
    }
  }

  async redeliver(message: string): Promise<Reply<{ id: string; run: number }>> {
    const run = this.#book.redeliver(message);
    if (run === null) {
      return refused({ kind: 'no-such-resource', what: 'delivery', id: message });
    }
    this.#work.add('delivery', `${message}-${run}`);
    await this.#arm();
    return reply({ id: message, run });
  }

  deliveries(options: { job: string | null; limit: number }): Delivery[] {
    return this.#book.deliveries(options);
  }

  /**
   * Deletes the tenant and all that is kept of it, the ledger too; uploads are the tenant's own and stay. Keys go first, so
   * that nothing new comes in. What fails half-way is done again by the same call.
   */
  async deleteTenant(id: string): Promise<Reply<null>> {
    const row = this.row();
    if (row === null) {
      return refused({ kind: 'no-such-resource', what: 'tenant', id });
    }
    for (const key of this.keys.list(nowSeconds())) {
      this.keys.revoke(key.id);
    }
    if (!(await this.keys.publish(row.id, row.settings))) {
      return refused({ kind: 'overloaded', retryAfterSeconds: OUTBOX_RETRY_MS / 1000 });
    }
    for (;;) {
      const { objects } = await this.env.TENANT_DATA.list({ prefix: `${row.id}/` });
      if (objects.length === 0) {
        break;
      }
      await this.env.TENANT_DATA.delete(objects.map(({ key }) => key));
    }
    await this.env.TENANT_KEYS.delete(tenantName(row.id));
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    createTables(this.sql);
    return reply(null);
  }

  override async alarm(): Promise<void> {
    const row = this.row();
    if (row === null) {
      return;
    }
    const published = await this.keys.publish(row.id, row.settings);
    const kept = await keepWork(
      {
        work: this.#work,
        tenant: row.id,
        workflows: { job: this.env.JOBS, delivery: this.env.DELIVERIES },
        watchSeconds: this.#watchSeconds(),
        lost: ({ kind, id }, error) => {
          if (kind === 'job') {
            this.#jobs.end(id, { state: 'failed', error }, nowSeconds());
          } else {
            const { message, run } = deliveryOf(id);
            this.#book.giveUp(message, run, nowSeconds());
            this.#work.done('delivery', id);
          }
        },
      },
      nowSeconds(),
    );
    await this.#forgetAnswers(row.id, this.#answers.expired(nowSeconds(), EXPIRED_JOBS_PER_ALARM));
    const expired = this.#jobs.index.expired(nowSeconds(), EXPIRED_JOBS_PER_ALARM);
    await openJobStore(this.env.TENANT_DATA, row.id).remove(expired);
    for (const id of expired) {
      this.#jobs.forget(id);
    }
    await this.#arm(published && kept ? 0 : OUTBOX_RETRY_MS);
  }

  /** Sets the alarm for what comes next. Whoever changes something that the alarm must see to calls this. */
  async #arm(notBeforeMs = 0): Promise<void> {
    const due = [
      this.keys.isPublished() ? null : 0,
      this.#work.nextAt(),
      this.#jobs.index.nextExpiry(),
      this.#answers.nextExpiry(),
    ];
    const times = due.filter((at) => at !== null);
    if (times.length === 0) {
      await this.ctx.storage.deleteAlarm();
    } else {
      await this.ctx.storage.setAlarm(Math.max(Math.min(...times) * 1000, Date.now() + notBeforeMs));
    }
  }

  protected override armForRetry(): Promise<void> {
    return this.#arm(OUTBOX_RETRY_MS);
  }

  async #forgetAnswers(tenant: string, names: readonly string[]): Promise<void> {
    await this.env.TENANT_DATA.delete(names.map((name) => `${tenant}/answers/${name}`));
    this.#answers.forget(names);
  }

  async #ensureDefaultWebhook(): Promise<void> {
    if (this.#book.find(DEFAULT_WEBHOOK) === null) {
      const keys: SigningKeys = { current: await newSigningPair(), previous: null, previousUntil: 0 };
      const info = { id: DEFAULT_WEBHOOK, url: null, payload: 'full' as const, ed25519: true, disabled: null };
      this.#book.add({ ...info, created: nowSeconds() }, keys);
    }
  }

  #watchSeconds(): number {
    return this.env.WATCH_SECONDS ?? WORK_WATCH_SECONDS;
  }
}
