import { DurableObject } from 'cloudflare:workers';
import { type Call, record, type Reservation, reserve, settle } from '../../src/core/tenants/account.ts';
import { quotaHeaders } from '../../src/core/tenants/quota-window.ts';
import { type TenantSettings, tenantSettings } from '../../src/core/tenants/settings.ts';
import type { UsageRow } from '../../src/core/tenants/usage-report.ts';
import { sqlAccount, usageRows } from './account-sql.ts';
import { putTenant } from './key-record.ts';
import { type KeyInfo, type KeyRing, type MadeKey, openKeyRing } from './key-ring.ts';
import { quotaRefusal } from './quota-refusal.ts';
import { refused, type Reply, reply } from './reply.ts';
import { createTables } from './schema.ts';

export interface TenantInfo {
  id: string;
  settings: TenantSettings;
  created: number;
  keys: KeyInfo[];
}

/** A request that was let in. */
export interface Admitted {
  /** `x-ratelimit-*` */
  headers: Record<string, string>;
}

/** Who a tenant is, who may speak for it, what it may use and what it has used. */
export abstract class TenantRecord extends DurableObject<Env> {
  protected readonly sql: SqlStorage;
  protected readonly keys: KeyRing;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    createTables(this.sql);
    this.keys = openKeyRing(ctx.storage, env.TENANT_KEYS);
  }

  /** Makes the tenant; a second time is refused, so that two operators do not share one by mistake. */
  async create(id: string, settings: TenantSettings): Promise<Reply<TenantInfo>> {
    if (this.row() !== null) {
      return refused({ kind: 'conflict', code: 'tenant_exists', message: `The tenant '${id}' exists` });
    }
    const created = nowSeconds();
    const values = [id, JSON.stringify(settings), created];
    this.sql.exec('INSERT INTO tenant (one, id, settings, created) VALUES (1, ?, ?, ?)', ...values);
    await putTenant(this.env.TENANT_KEYS, id, { name: settings.name, created });
    return this.describe(id);
  }

  describe(id: string): Reply<TenantInfo> {
    const row = this.row();
    return row === null
      ? refused({ kind: 'no-such-resource', what: 'tenant', id })
      : reply({ ...row, keys: this.keys.list(nowSeconds()) });
  }

  /** As they are now; null when the tenant is gone. */
  settings(): TenantSettings | null {
    return this.row()?.settings ?? null;
  }

  async update(id: string, settings: TenantSettings): Promise<Reply<TenantInfo>> {
    const row = this.row();
    if (row !== null) {
      this.sql.exec('UPDATE tenant SET settings = ?', JSON.stringify(settings));
      this.keys.republishAll();
      await this.publish();
      await putTenant(this.env.TENANT_KEYS, id, { name: settings.name, created: row.created });
    }
    return this.describe(id);
  }

  async makeKey(id: string, wanted: Pick<KeyInfo, 'purpose' | 'scopes' | 'expires'>): Promise<Reply<MadeKey>> {
    if (this.row() === null) {
      return refused({ kind: 'no-such-resource', what: 'tenant', id });
    }
    const made = await this.keys.make(wanted, nowSeconds());
    await this.publish();
    return made;
  }

  async rotateKey(keyId: string, overlapSeconds: number): Promise<Reply<MadeKey>> {
    const made = await this.keys.rotate(keyId, overlapSeconds, nowSeconds());
    await this.publish();
    return made;
  }

  async revokeKey(keyId: string): Promise<Reply<null>> {
    if (!this.keys.revoke(keyId)) {
      return refused({ kind: 'no-such-resource', what: 'key', id: keyId });
    }
    await this.publish();
    return reply(null);
  }

  /** Lets a request in, or not, by the quotas as they are now. */
  reserve(asked: Reservation): Reply<Admitted> {
    const row = this.row();
    if (row === null) {
      return refused({ kind: 'unauthorized', message: 'The tenant of this API key is gone' });
    }
    const now = nowSeconds();
    const outcome = this.ctx.storage.transactionSync(() =>
      reserve(sqlAccount(this.sql), row.settings.quotas, asked, now),
    );
    if (outcome.kind !== 'refused') {
      return reply({ headers: quotaHeaders(outcome.uses, now) });
    }
    return refused(quotaRefusal(outcome));
  }

  /** What a part of an entry's work has cost; `final` also ends the entry. Comes twice or late without harm. */
  report(entry: string, part: string, calls: readonly Call[], final: boolean): void {
    const account = sqlAccount(this.sql);
    this.ctx.storage.transactionSync(() => {
      record(account, entry, part, calls, nowSeconds());
      if (final) {
        settle(account, entry);
      }
    });
  }

  /** Usage from one Unix time to before another. */
  usage(from: number, to: number): UsageRow[] {
    return usageRows(this.sql, from, to);
  }

  /** Tells KV of changed keys. The alarm is set first: it goes on where KV fails, or this object ends meanwhile. */
  protected async publish(): Promise<void> {
    const row = this.row();
    if (row !== null) {
      await this.armForRetry();
      await this.keys.publish(row.id, row.settings);
    }
  }

  /** Has the alarm look at everything a little later. */
  protected abstract armForRetry(): Promise<void>;

  protected row(): Omit<TenantInfo, 'keys'> | null {
    const query = 'SELECT id, settings, created FROM tenant';
    const [row] = this.sql.exec<{ id: string; settings: string; created: number }>(query).toArray();
    return row === undefined ? null : { ...row, settings: tenantSettings.parse(JSON.parse(row.settings)) };
  }
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
