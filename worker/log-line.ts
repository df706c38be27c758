import type { LedgerCall } from './ledger.ts';
import type { Outcome } from './request-record.ts';

/** Names and numbers; never prompts, images, keys or query strings. */
export interface LogEntry {
  [field: string]: string | number | boolean | null | readonly LogEntry[];
}

/** The one structured line of a request. */
export function logLine(outcome: Outcome): LogEntry {
  const { error, usage, steps } = outcome;
  const isClientsFault = outcome.status >= 400 && outcome.status < 500;
  return {
    level: error !== null && !isClientsFault ? 'error' : 'info',
    request: outcome.request,
    method: outcome.method,
    route: outcome.route,
    status: outcome.status,
    how: outcome.how,
    failure: error?.failure ?? null,
    message: error?.message ?? null,
    at: error === null || error.at.length === 0 ? null : error.at.join(' < '),
    model: outcome.model,
    key: outcome.key,
    stream: outcome.stream,
    images: outcome.images,
    prompt_tokens: usage?.promptTokens ?? null,
    completion_tokens: usage?.completionTokens ?? null,
    tokens_counted: usage?.counted ?? false,
    finish_reason: outcome.finishReason,
    attempts: outcome.attempts,
    calls: outcome.calls.map(callEntry),
    billed: outcome.billed,
    bytes_in: outcome.bytesIn,
    bytes_out: outcome.bytesOut,
    first_token_ms: outcome.firstTokenMs === null ? null : roundMs(outcome.firstTokenMs),
    total_ms: roundMs(outcome.totalMs),
    ...Object.fromEntries(Object.entries(steps).map(([step, ms]) => [`${step}_ms`, roundMs(ms)])),
  };
}

/** A call of a model server, the ones that are not billed too. */
function callEntry({ upstream, model, outcome, times, pieces, usage }: LedgerCall): LogEntry {
  return {
    upstream,
    model,
    outcome,
    times,
    pieces,
    prompt_tokens: usage?.promptTokens ?? null,
    completion_tokens: usage?.completionTokens ?? null,
  };
}

function roundMs(ms: number): number {
  return Math.round(ms * 10) / 10;
}
