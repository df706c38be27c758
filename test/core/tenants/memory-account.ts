import type { AccountStore, Call, Entry } from '../../../src/core/tenants/account.ts';
import type { QuotaWindow } from '../../../src/core/tenants/quota-window.ts';

/** An account in memory, for tests of its rules. */
export function memoryAccount(): AccountStore & { allCalls(): Call[]; entries: Map<string, Entry> } {
  const entries = new Map<string, Entry>();
  const uses = new Map<string, number>();
  const parts = new Map<string, Call[]>();
  const windowKey = ({ of, per, startsAt }: QuotaWindow) => `${of} ${per} ${startsAt}`;
  const ofEntry = (id: string) => [...parts].filter(([key]) => key.startsWith(`${id}/`));
  return {
    entries,
    allCalls: () => [...parts.values()].flat(),
    entry: (id) => entries.get(id) ?? null,
    put: (entry) => void entries.set(entry.id, entry),
    overdue: (now) => [...entries.values()].filter(({ state, leaseUntil }) => state === 'open' && leaseUntil <= now),
    use: (window) => uses.get(windowKey(window)) ?? 0,
    addUse: (window, amount) => void uses.set(windowKey(window), (uses.get(windowKey(window)) ?? 0) + amount),
    calls: (id) => ofEntry(id).flatMap(([, calls]) => calls),
    hasPart: (id, part) => parts.has(`${id}/${part}`),
    addPart: (id, part, _at, calls) => void parts.set(`${id}/${part}`, [...calls]),
  };
}
