import { WEBHOOK_BODY_MAX_BYTES } from '../limits.ts';

export const EVENT_TYPES = ['job.succeeded', 'job.failed', 'job.cancelled', 'webhook.test'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** `thin` names what happened and where to read it; `full` holds the result itself. */
export const PAYLOADS = ['thin', 'full'] as const;
export type Payload = (typeof PAYLOADS)[number];

/** Standard Webhooks' payload: what happened, when, and to what. */
export interface WebhookEvent {
  type: EventType;
  /** ISO 8601; when it happened, not when it is sent. */
  timestamp: string;
  data: Record<string, unknown>;
}

/**
 * The body of a webhook, the same bytes at every attempt.
 *
 * @param thin what a thin payload holds.
 * @param more what a full one holds besides; left out, with `truncated: true`, where the body would be too large.
 */
export function eventBody(
  type: EventType,
  timestamp: string,
  payload: Payload,
  thin: Record<string, unknown>,
  more: Record<string, unknown>,
): string {
  const event: WebhookEvent = { type, timestamp, data: thin };
  if (payload === 'thin') {
    return JSON.stringify(event);
  }
  const full = JSON.stringify({ ...event, data: { ...thin, ...more } });
  return new TextEncoder().encode(full).byteLength <= WEBHOOK_BODY_MAX_BYTES
    ? full
    : JSON.stringify({ ...event, data: { ...thin, truncated: true } });
}
