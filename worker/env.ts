import * as z from 'zod';
import { RequestError } from '../src/core/protocol/failure.ts';
import type { TaskPrompts } from '../src/core/protocol/image-task-request.ts';
import { type ApiKeys, kvKeys, listedKeys } from './api-keys.ts';
import { taskPromptsSchema } from './task-prompts.ts';

/** How an image travels upstream (ARCHITECTURE.md, "Between worker and endpoint"). */
export type WireForm = 'image_embeds' | 'pixels' | 'original';

export interface Upstream {
  /** Base of an OpenAI-compatible API, without `/v1`. */
  url: URL;
  apiKey: string | null;
  wire: WireForm;
  /** The model's name there. */
  model: string;
}

/** Where the edge bundle is read from. */
export type BundleSource = { from: 'assets'; assets: Fetcher } | { from: 'r2'; bucket: R2Bucket; prefix: string };

/** Settings of the worker, validated once. */
export interface Config {
  /** The model's name towards clients. */
  model: string;
  /** Who may ask; null serves anybody, which must be asked for. */
  keys: ApiKeys | null;
  /** Who may read /metrics; `off` hides the route. */
  metrics: 'off' | 'open' | ApiKeys;
  /** Where data points of requests go, if anywhere. */
  analytics: Pick<AnalyticsEngineDataset, 'writeDataPoint'> | null;
  /** What a model is asked on the routes that bring no question. */
  taskPrompts: (model: string) => TaskPrompts;
  upstream: Upstream;
  bundle: BundleSource;
}

const binding = <Type>() => z.custom<Type>(isBinding, 'expected the binding');

const auth = z.discriminatedUnion('AUTH', [
  z.object({ AUTH: z.literal('none') }).transform(() => null),
  z
    .object({
      AUTH: z.literal('key'),
      API_KEY_SHA256: listedKeys.optional(),
      API_KEYS: binding<KVNamespace>().optional(),
    })
    .refine((vars) => vars.API_KEY_SHA256 !== undefined || vars.API_KEYS !== undefined, {
      path: ['API_KEY_SHA256'],
      message: 'expected this secret, or the binding API_KEYS of a KV namespace; AUTH = "none" serves anybody',
    })
    .transform(({ API_KEY_SHA256, API_KEYS }): ApiKeys => ({
      listed: API_KEY_SHA256 ?? [],
      store: API_KEYS === undefined ? null : kvKeys(API_KEYS),
    })),
]);

const metrics = z.discriminatedUnion('METRICS', [
  z.object({ METRICS: z.enum(['off', 'open']).default('off') }).transform(({ METRICS }) => METRICS),
  z
    .object({ METRICS: z.literal('key'), METRICS_KEY_SHA256: listedKeys })
    .transform(({ METRICS_KEY_SHA256 }): ApiKeys => ({ listed: METRICS_KEY_SHA256, store: null })),
]);

const bundle = z.discriminatedUnion('BUNDLE_SOURCE', [
  z
    .object({ BUNDLE_SOURCE: z.literal('assets'), ASSETS: binding<Fetcher>() })
    .transform(({ ASSETS }): BundleSource => ({ from: 'assets', assets: ASSETS })),
  z
    .object({
      BUNDLE_SOURCE: z.literal('r2'),
      BUNDLES: binding<R2Bucket>(),
      BUNDLE_PREFIX: z.string().default(''),
    })
    .transform(({ BUNDLES, BUNDLE_PREFIX }): BundleSource => ({ from: 'r2', bucket: BUNDLES, prefix: BUNDLE_PREFIX })),
]);

const settings = z.object({
  MODEL: z.string().min(1),
  UPSTREAM_URL: z.url({ protocol: /^https?$/ }).transform((text) => new URL(text)),
  UPSTREAM_WIRE: z.enum(['image_embeds', 'pixels', 'original']),
  UPSTREAM_MODEL: z.string().default(''),
  UPSTREAM_API_KEY: z.string().min(1).optional(),
  ANALYTICS: binding<AnalyticsEngineDataset>().optional(),
  TASK_PROMPTS: taskPromptsSchema,
});

/**
 * Variables, secrets and bindings, validated.
 *
 * @throws RequestError `misconfigured` that names the variable, so that a wrong deployment says so on its first request.
 */
export function readConfig(env: object): Config {
  const vars = check(settings, env);
  return {
    model: vars.MODEL,
    keys: check(auth, env),
    metrics: check(metrics, env),
    analytics: vars.ANALYTICS ?? null,
    taskPrompts: vars.TASK_PROMPTS,
    bundle: check(bundle, env),
    upstream: {
      url: vars.UPSTREAM_URL,
      apiKey: vars.UPSTREAM_API_KEY ?? null,
      wire: vars.UPSTREAM_WIRE,
      model: vars.UPSTREAM_MODEL === '' ? vars.MODEL : vars.UPSTREAM_MODEL,
    },
  };
}

function check<Schema extends z.ZodType>(schema: Schema, env: object): z.output<Schema> {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new RequestError({ kind: 'misconfigured', message: `Worker configuration: ${faults.join('; ')}` });
  }
  return parsed.data;
}

function isBinding(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
