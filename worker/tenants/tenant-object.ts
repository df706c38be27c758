import { DurableObject } from 'cloudflare:workers';
import { isOver, type Job, type JobEnd } from '../../src/core/jobs/job.ts';
import { EXPIRED_JOBS_PER_ALARM, OUTBOX_RETRY_MS, WORK_WATCH_SECONDS } from '../../src/core/limits.ts';
import { type Call, record, type Reservation, reserve, settle } from '../../src/core/tenants/account.ts';
import { quotaHeaders } from '../../src/core/tenants/quota-window.ts';
import { type TenantSettings, tenantSettings } from '../../src/core/tenants/settings.ts';
import type { UsageRow } from '../../src/core/tenants/usage-report.ts';
import type { AttemptResult } from '../../src/core/webhooks/attempt-result.ts';
import type { NextStep } from '../../src/core/webhooks/retry-schedule.ts';
import { openJobStore } from '../jobs/job-store.ts';
import { newSigningPair, type PublicKey, publicKeySet, rotate, type SigningKeys } from '../webhooks/signing-keys.ts';
import { sqlAccount, usageRows } from './account-sql.ts';
import type { JobPage, ListOptions } from './job-index.ts';
import { type KeyInfo, type KeyRing, type MadeKey, openKeyRing } from './key-ring.ts';
import { quotaRefusal } from './quota-refusal.ts';
import { refused, type Reply, reply } from './reply.ts';
import { createTables } from './schema.ts';
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

export interface TenantInfo {
  id: string;
  settings: TenantSettings;
  created: number;
  keys: KeyInfo[];
}

/** A webhook with the secret that its receiver verifies with. */
export interface MadeWebhook extends WebhookInfo {
  secret: string;
}

/** A request that was let in. */
export interface Admitted {
  /** `x-ratelimit-*` */
  headers: Record<string, string>;
}

/**
 * The truth about one tenant: who may speak for it, what it may use and what it has used. One object for each, with a
 * database of its own; a method that does not wait is one transaction.
 */
export class TenantObject extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  readonly #keys: KeyRing;
  readonly #work: WorkList;
  readonly #book: WebhookBook;
  readonly #jobs: TenantJobs;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    createTables(this.#sql);
    this.#keys = openKeyRing(ctx.storage, env.TENANT_KEYS);
    this.#work = sqlWorkList(this.#sql);
    this.#book = openWebhookBook(this.#sql);
    this.#jobs = openTenantJobs(ctx.storage, this.#work, this.#book);
    void ctx.blockConcurrencyWhile(async () => {
      if ((await ctx.storage.getAlarm()) === null) {
        await this.#arm();
      }
    });
  }

  /** Makes the tenant; a second time is refused, so that two operators do not share one by mistake. */
  create(id: string, settings: TenantSettings): Reply<TenantInfo> {
    if (this.#row() !== null) {
      return refused({ kind: 'conflict', code: 'tenant_exists', message: `The tenant '${id}' exists` });
    }
    const values = [id, JSON.stringify(settings), nowSeconds()];
    this.#sql.exec('INSERT INTO tenant (one, id, settings, created) VALUES (1, ?, ?, ?)', ...values);
    return this.describe(id);
  }

  describe(id: string): Reply<TenantInfo> {
    const row = this.#row();
    return row === null
      ? refused({ kind: 'no-such-resource', what: 'tenant', id })
      : reply({ ...row, keys: this.#keys.list(nowSeconds()) });
  }

  /** As they are now; null when the tenant is gone. */
  settings(): TenantSettings | null {
    return this.#row()?.settings ?? null;
  }

  async update(id: string, settings: TenantSettings): Promise<Reply<TenantInfo>> {
    if (this.#row() !== null) {
      this.#sql.exec('UPDATE tenant SET settings = ?', JSON.stringify(settings));
      this.#keys.republishAll();
      await this.#publish();
    }
    return this.describe(id);
  }

  async makeKey(id: string, wanted: Pick<KeyInfo, 'purpose' | 'scopes' | 'expires'>): Promise<Reply<MadeKey>> {
    if (this.#row() === null) {
      return refused({ kind: 'no-such-resource', what: 'tenant', id });
    }
    const made = await this.#keys.make(wanted, nowSeconds());
    await this.#publish();
    return made;
  }

  async rotateKey(keyId: string, overlapSeconds: number): Promise<Reply<MadeKey>> {
    const made = await this.#keys.rotate(keyId, overlapSeconds, nowSeconds());
    await this.#publish();
    return made;
  }

  async revokeKey(keyId: string): Promise<Reply<null>> {
    if (!this.#keys.revoke(keyId)) {
      return refused({ kind: 'no-such-resource', what: 'key', id: keyId });
    }
    await this.#publish();
    return reply(null);
  }

  /** Lets a request in, or not, by the quotas as they are now. */
  reserve(asked: Reservation): Reply<Admitted> {
    const row = this.#row();
    if (row === null) {
      return refused({ kind: 'unauthorized', message: 'The tenant of this API key is gone' });
    }
    const now = nowSeconds();
    const outcome = this.ctx.storage.transactionSync(() =>
      reserve(sqlAccount(this.#sql), row.settings.quotas, asked, now),
    );
    if (outcome.kind !== 'refused') {
      return reply({ headers: quotaHeaders(outcome.uses, now) });
    }
    return refused(quotaRefusal(outcome));
  }

  /** What a part of an entry's work has cost; `final` also ends the entry. Comes twice or late without harm. */
  report(entry: string, part: string, calls: readonly Call[], final: boolean): void {
    const account = sqlAccount(this.#sql);
    this.ctx.storage.transactionSync(() => {
      record(account, entry, part, calls, nowSeconds());
      if (final) {
        settle(account, entry);
      }
    });
  }

  /** Usage from one Unix time to before another. */
  usage(from: number, to: number): UsageRow[] {
    return usageRows(this.#sql, from, to);
  }

  /** What an idempotency key stands for; null for a new one. */
  knownSubmission(idempotency: Submission['idempotency']): Reply<Submitted> | null {
    return this.#jobs.known(idempotency, nowSeconds());
  }

  /** Takes in all jobs of a call, or none; the alarm hands them over to Workflows. */
  async submit(call: Submission): Promise<Reply<Submitted>> {
    const row = this.#row();
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
      await this.#stopWorkflow(id);
      await this.#arm();
    }
    return reply(job);
  }

  /** Deletes payload, image, result, log and index entry; the ledger keeps its counts. */
  async deleteJob(id: string): Promise<Reply<null>> {
    const job = this.#jobs.index.find(id);
    const row = this.#row();
    if (job === null || row === null) {
      return refused({ kind: 'no-such-resource', what: 'job', id });
    }
    if (!isOver(job.state)) {
      await this.#stopWorkflow(id);
    }
    await openJobStore(this.env.TENANT_DATA, row.id).remove([id]);
    this.#jobs.forget(id);
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

  override async alarm(): Promise<void> {
    const row = this.#row();
    if (row === null) {
      return;
    }
    const published = await this.#keys.publish(row.id, row.settings);
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
    const expired = this.#jobs.index.expired(nowSeconds(), EXPIRED_JOBS_PER_ALARM);
    await openJobStore(this.env.TENANT_DATA, row.id).remove(expired);
    for (const id of expired) {
      this.#jobs.forget(id);
    }
    await this.#arm(published && kept ? 0 : OUTBOX_RETRY_MS);
  }

  /** Sets the alarm for what comes next. Whoever changes something that the alarm must see to calls this. */
  async #arm(notBeforeMs = 0): Promise<void> {
    const due = [this.#keys.isPublished() ? null : 0, this.#work.nextAt(), this.#jobs.index.nextExpiry()];
    const times = due.filter((at) => at !== null);
    if (times.length === 0) {
      await this.ctx.storage.deleteAlarm();
    } else {
      await this.ctx.storage.setAlarm(Math.max(Math.min(...times) * 1000, Date.now() + notBeforeMs));
    }
  }

  /** Tells KV of changed keys. The alarm is set first: it goes on where KV fails, or this object ends meanwhile. */
  async #publish(): Promise<void> {
    const row = this.#row();
    if (row !== null) {
      await this.#arm(OUTBOX_RETRY_MS);
      await this.#keys.publish(row.id, row.settings);
    }
  }

  async #ensureDefaultWebhook(): Promise<void> {
    if (this.#book.find(DEFAULT_WEBHOOK) === null) {
      const keys: SigningKeys = { current: await newSigningPair(), previous: null, previousUntil: 0 };
      const info = { id: DEFAULT_WEBHOOK, url: null, payload: 'full' as const, ed25519: true, disabled: null };
      this.#book.add({ ...info, created: nowSeconds() }, keys);
    }
  }

  /** Best effort: a Workflow that goes on finds its job over. */
  async #stopWorkflow(id: string): Promise<void> {
    try {
      await (await this.env.JOBS.get(id)).terminate();
    } catch {
      // It was never created, or is over.
    }
  }

  #watchSeconds(): number {
    return Number(this.env.WATCH_SECONDS ?? WORK_WATCH_SECONDS);
  }

  #row(): Omit<TenantInfo, 'keys'> | null {
    const query = 'SELECT id, settings, created FROM tenant';
    const [row] = this.#sql.exec<{ id: string; settings: string; created: number }>(query).toArray();
    return row === undefined ? null : { ...row, settings: tenantSettings.parse(JSON.parse(row.settings)) };
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
