import * as z from 'zod';
import {
  ADMIN_BODY_MAX_BYTES,
  KEY_OVERLAP_MAX_SECONDS,
  KEY_OVERLAP_SECONDS,
  TENANT_NAME_MAX_CHARS,
  TENANTS_CURSOR_MAX_CHARS,
  TENANTS_PAGE,
  TENANTS_PAGE_MAX,
  USAGE_DAYS_MAX,
} from '../../src/core/limits.ts';
import { RequestError } from '../../src/core/protocol/failure.ts';
import { invalidRequest } from '../../src/core/protocol/request-field.ts';
import { SCOPES, tenantId, tenantSettings } from '../../src/core/tenants/settings.ts';
import { consumeJson } from '../read-body.ts';
import type { RequestContext } from '../request-context.ts';

/** Bodies and queries of the admin API; the API description is made of them. */
export const createTenantRequest = z.strictObject({ id: tenantId, settings: tenantSettings });

export const listTenantsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(TENANTS_PAGE_MAX).default(TENANTS_PAGE),
  cursor: z
    .string()
    .min(1)
    .max(TENANTS_CURSOR_MAX_CHARS)
    .nullable()
    .default(null)
    .describe('`next_cursor` of the page before'),
});

export const makeKeyRequest = z.strictObject({
  purpose: z.string().min(1).max(TENANT_NAME_MAX_CHARS).describe('What the key is for; two of one purpose may be live'),
  scopes: z.array(z.enum(SCOPES)).min(1),
  expires: z.int().positive().nullable().default(null).describe('Unix time in seconds; null: never'),
});

export const rotateKeyRequest = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(KEY_OVERLAP_MAX_SECONDS)
    .default(KEY_OVERLAP_SECONDS)
    .describe('How long the key before works on'),
});

const day = z.iso.date();
export const usageQuery = z.strictObject({
  from: day.optional().describe('First day, UTC; absent: 30 days ago'),
  to: day.optional().describe('Last day, UTC; absent: today'),
  format: z.enum(['json', 'csv']).default('json'),
});

const DAY_SECONDS = 86_400;

/** The stretch of a usage report in Unix seconds: from the start of a day to the end of one. */
export function usageSpan({ from, to }: z.output<typeof usageQuery>, nowSeconds: number): { from: number; to: number } {
  const today = Math.floor(nowSeconds / DAY_SECONDS) * DAY_SECONDS;
  const end = (to === undefined ? today : Date.parse(to) / 1000) + DAY_SECONDS;
  const start = from === undefined ? end - 30 * DAY_SECONDS : Date.parse(from) / 1000;
  if (start >= end || end - start > USAGE_DAYS_MAX * DAY_SECONDS) {
    const message = `from: expected a day before \`to\`, ${USAGE_DAYS_MAX} days at most`;
    throw new RequestError({ kind: 'invalid-request', param: 'from', message });
  }
  return { from: start, to: end };
}

/** @throws RequestError `invalid-request`, `body-too-large` */
export async function readBody<Schema extends z.ZodType>(
  schema: Schema,
  context: RequestContext,
  limitBytes = ADMIN_BODY_MAX_BYTES,
): Promise<z.output<Schema>> {
  const bytes = await context.receive(limitBytes);
  return checked(schema, bytes.byteLength === 0 ? {} : consumeJson(bytes));
}

/** @throws RequestError `invalid-request` */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw invalidRequest(value, parsed.error);
  }
  return parsed.data;
}
