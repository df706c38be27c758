import type { ChatRequest } from '../../src/core/protocol/chat-request.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import type { Call } from '../../src/core/tenants/account.ts';
import { mostTokens } from '../../src/core/tenants/most-tokens.ts';
import type { TenantSettings } from '../../src/core/tenants/settings.ts';
import type { Ledger } from '../ledger.ts';
import type { RequestContext } from '../request-context.ts';
import type { Tenant } from './identify-tenant.ts';
import { unwrap } from './reply.ts';

/**
 * The request with its answer bounded as the tenant's settings say.
 *
 * @throws RequestError `invalid-request` where it asks for more.
 */
export function boundAnswer(
  chat: ChatRequest,
  { answerTokensMax }: Pick<TenantSettings, 'answerTokensMax'>,
): ChatRequest {
  if (answerTokensMax === null) {
    return chat;
  }
  if (chat.maxTokens !== undefined && chat.maxTokens > answerTokensMax) {
    const message = `max_tokens: at most ${answerTokensMax} for this API key`;
    throw new RequestError({ kind: 'invalid-request', param: 'max_tokens', message });
  }
  return { ...chat, maxTokens: chat.maxTokens ?? answerTokensMax };
}

/** The most that a bounded request can cost; where no quota counts tokens, nobody asks. */
export function costBound(chat: ChatRequest): number {
  const utf8 = new TextEncoder();
  return mostTokens(chat, chat.maxTokens ?? 0, (text) => utf8.encode(text).byteLength);
}

/**
 * Reserves what the request may cost, and reports what it did cost when its record closes, be it answered, failed or left.
 *
 * @param entry a new id of ours: the client names its request id itself.
 * @throws RequestError `quota-exceeded`
 */
export async function admit(
  chat: ChatRequest,
  tenant: Tenant,
  entry: string,
  { record, header, waitUntil }: Pick<RequestContext, 'record' | 'header' | 'waitUntil'>,
): Promise<void> {
  const { headers } = unwrap(await tenant.stub.reserve({ id: entry, requests: 1, tokens: costBound(chat) }));
  for (const [name, value] of Object.entries(headers)) {
    header(name, value);
  }
  record.afterwards((ledger) => waitUntil(tenant.stub.report(entry, entry, callsOf(ledger), true)));
}

/** What a request cost, as the account keeps it. Where a server gave no count, each piece of its answer is a token. */
export function callsOf({ calls, billed }: Ledger): Call[] {
  return calls.map(({ upstream, model, outcome, usage, pieces }, n) => ({
    upstream,
    model,
    outcome,
    promptTokens: usage?.promptTokens ?? 0,
    completionTokens: usage?.completionTokens ?? pieces,
    billed: n === billed,
  }));
}
