import * as z from 'zod';
import {
  ANSWER_TOKENS_MAX,
  JOBS_AT_ONCE,
  JOBS_AT_ONCE_MAX,
  MODEL_NAME_MAX_CHARS,
  QUOTA_LIMIT_MAX,
  QUOTAS_MAX,
  RETENTION_MAX_SECONDS,
  RETENTION_SECONDS,
  TENANT_ID_MAX_CHARS,
  TENANT_MODELS_MAX,
  TENANT_NAME_MAX_CHARS,
  UPLOAD_KEY_MAX_CHARS,
  UPLOAD_RULES_MAX,
} from '../limits.ts';
import { bundleName } from '../model/bundle-name.ts';

/** What a key may do: ask the model, hand in jobs, manage its own tenant. */
export const SCOPES = ['chat', 'jobs', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a model may be asked for: `text` is a chat without images. */
export const MODES = ['chat', 'text', 'caption', 'ocr', 'vqa'] as const;
export type Mode = (typeof MODES)[number];

export const tenantId = z
  .string()
  .max(TENANT_ID_MAX_CHARS)
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected a-z, 0-9 and -');

const modelName = z.string().min(1).max(MODEL_NAME_MAX_CHARS);

const model = z.strictObject({
  serves: modelName.describe('Which of the deployment’s models answers'),
  adapter: modelName
    .regex(
      /@[0-9a-f]{12,64}$/,
      'expected NAME@HASH: servers that load an adapter again under one name serve stale answers',
    )
    .nullable()
    .default(null)
    .describe('A LoRA adapter at the model server, named by its content hash'),
  bundle: bundleName
    .nullable()
    .default(null)
    .describe('The edge bundle of its vision weights, where they are not those of `serves`'),
  modes: z
    .array(z.enum(MODES))
    .min(1)
    .default([...MODES]),
});

const quota = z.strictObject({
  of: z.enum(['requests', 'tokens']),
  per: z.enum(['minute', 'hour', 'day', '30days']),
  limit: z.int().min(0).max(QUOTA_LIMIT_MAX),
});
export type Quota = z.infer<typeof quota>;

const uploadRule = z.strictObject({
  prefix: z.string().max(UPLOAD_KEY_MAX_CHARS),
  task: z.enum(['caption', 'ocr']),
  model: modelName.nullable().default(null),
  webhook: z
    .string()
    .regex(/^whe_[0-9a-z]+$/)
    .nullable()
    .default(null),
});

/** What an operator says about a tenant. */
export const tenantSettings = z
  .strictObject({
    name: z.string().min(1).max(TENANT_NAME_MAX_CHARS),
    models: z
      .record(modelName, model)
      .refine((models) => Object.keys(models).length <= TENANT_MODELS_MAX, `expected at most ${TENANT_MODELS_MAX}`)
      .nullable()
      .default(null)
      .describe('By the names that the tenant uses; null: all of the deployment, under their own names'),
    quotas: z.array(quota).max(QUOTAS_MAX).default([]),
    answerTokensMax: z
      .int()
      .min(1)
      .max(ANSWER_TOKENS_MAX)
      .nullable()
      .default(null)
      .describe('Longest answer, and the default where a request names none'),
    uploads: z
      .array(uploadRule)
      .max(UPLOAD_RULES_MAX)
      .default([])
      .describe('What uploads become: the rule with the longest prefix of an upload’s path decides'),
    jobsAtOnce: z
      .int()
      .min(1)
      .max(JOBS_AT_ONCE_MAX)
      .default(JOBS_AT_ONCE)
      .describe('Jobs that are under way at once; the others wait for their turn'),
    retentionSeconds: z.int().min(60).max(RETENTION_MAX_SECONDS).default(RETENTION_SECONDS),
  })
  .refine(({ quotas, answerTokensMax }) => answerTokensMax !== null || quotas.every(({ of }) => of === 'requests'), {
    path: ['answerTokensMax'],
    message: 'expected a number: a quota of tokens is exact only where the length of an answer is bounded',
  });

export type TenantSettings = z.output<typeof tenantSettings>;
