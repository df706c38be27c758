import { KEY_PURPOSES_MAX, LIVE_KEYS_MAX } from '../../src/core/limits.ts';
import type { Scope, TenantSettings } from '../../src/core/tenants/settings.ts';
import { type KeyNamespace, type KeyRecord, recordName } from './key-record.ts';
import { newKey } from './new-key.ts';
import { refused, type Reply, reply } from './reply.ts';

/** A key as its owner may see it. */
export interface KeyInfo {
  id: string;
  purpose: string;
  scopes: Scope[];
  created: number;
  expires: number | null;
}

export interface MadeKey extends KeyInfo {
  /** The key itself; nobody can read it again. */
  key: string;
}

type KeyRow = Record<'id' | 'sha256' | 'purpose' | 'scopes', string> & { created: number; expires: number | null };

export interface KeyRing {
  list(now: number): KeyInfo[];
  make(wanted: Pick<KeyInfo, 'purpose' | 'scopes' | 'expires'>, now: number): Promise<Reply<MadeKey>>;
  /** A new key of the same purpose and scopes; the one before it works until `overlapSeconds` from now. */
  rotate(id: string, overlapSeconds: number, now: number): Promise<Reply<MadeKey>>;
  revoke(id: string): boolean;
  /** All keys' records are out of date, e.g. because settings changed. */
  republishAll(): void;
  /** Whether KV knows everything. */
  isPublished(): boolean;
  /** Writes to KV what it does not know yet; true when nothing is left. */
  publish(tenant: string, settings: TenantSettings): Promise<boolean>;
}

/** A tenant's keys. A change is noted as unpublished in the same transaction, so that KV hears of it sooner or later. */
export function openKeyRing(storage: DurableObjectStorage, namespace: KeyNamespace): KeyRing {
  const { sql } = storage;
  const rows = (): KeyRow[] => sql.exec<KeyRow>('SELECT * FROM keys ORDER BY created, id').toArray();
  const markUnpublished = (id: string): void => {
    sql.exec('INSERT OR IGNORE INTO unpublished (key_id) VALUES (?)', id);
  };

  async function make(
    { purpose, scopes, expires }: Pick<KeyInfo, 'purpose' | 'scopes' | 'expires'>,
    now: number,
    replaces: { id: string; until: number } | null = null,
  ): Promise<Reply<MadeKey>> {
    let made = await newKey();
    while ((await namespace.get(recordName(made.id))) !== null) {
      made = await newKey();
    }
    return storage.transactionSync(() => {
      const live = rows().filter((row) => row.expires === null || row.expires > now);
      const ofPurpose = live.filter((row) => row.purpose === purpose);
      if (ofPurpose.length >= LIVE_KEYS_MAX) {
        return refused({
          kind: 'conflict',
          code: 'too_many_keys',
          message: `${LIVE_KEYS_MAX} keys for '${purpose}' are live; revoke one first`,
        });
      }
      if (ofPurpose.length === 0 && new Set(live.map((row) => row.purpose)).size >= KEY_PURPOSES_MAX) {
        const message = `A tenant has keys for at most ${KEY_PURPOSES_MAX} purposes`;
        return refused({ kind: 'conflict', code: 'too_many_keys', message });
      }
      if (replaces !== null) {
        sql.exec(
          'UPDATE keys SET expires = MIN(?, IFNULL(expires, ?)) WHERE id = ?',
          replaces.until,
          replaces.until,
          replaces.id,
        );
        markUnpublished(replaces.id);
      }
      sql.exec(
        'INSERT INTO keys (id, sha256, purpose, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?)',
        made.id,
        made.sha256,
        purpose,
        JSON.stringify(scopes),
        now,
        expires,
      );
      markUnpublished(made.id);
      return reply({ id: made.id, key: made.key, purpose, scopes, created: now, expires });
    });
  }

  return {
    list: (now) =>
      rows()
        .filter(({ expires }) => expires === null || expires > now)
        .map(toInfo),
    make: (wanted, now) => make(wanted, now),
    async rotate(id, overlapSeconds, now) {
      const row = rows().find((key) => key.id === id && (key.expires === null || key.expires > now));
      if (row === undefined) {
        return refused({ kind: 'no-such-resource', what: 'key', id });
      }
      const { purpose, scopes } = toInfo(row);
      return make({ purpose, scopes, expires: null }, now, { id, until: now + overlapSeconds });
    },
    revoke(id) {
      return storage.transactionSync(() => {
        const { rowsWritten } = sql.exec('DELETE FROM keys WHERE id = ?', id);
        if (rowsWritten === 0) {
          // Another tenant's, perhaps: its record in KV is not ours to touch.
          return false;
        }
        markUnpublished(id);
        return true;
      });
    },
    republishAll() {
      sql.exec('INSERT OR IGNORE INTO unpublished (key_id) SELECT id FROM keys');
    },
    isPublished: () => sql.exec('SELECT 1 FROM unpublished LIMIT 1').toArray().length === 0,
    async publish(tenant, settings) {
      const due = sql.exec<{ key_id: string }>('SELECT key_id FROM unpublished').toArray();
      for (const { key_id: id } of due) {
        const row = rows().find((key) => key.id === id);
        try {
          if (row === undefined) {
            await namespace.delete(recordName(id));
          } else {
            const { scopes, expires } = toInfo(row);
            const record: KeyRecord = { sha256: row.sha256, tenant, scopes, expires, settings };
            await namespace.put(recordName(id), JSON.stringify(record));
          }
          sql.exec('DELETE FROM unpublished WHERE key_id = ?', id);
        } catch {
          return false;
        }
      }
      return true;
    },
  };
}

function toInfo({ id, purpose, scopes, created, expires }: KeyRow): KeyInfo {
  return { id, purpose, scopes: JSON.parse(scopes) as Scope[], created, expires };
}
