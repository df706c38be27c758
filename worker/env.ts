import * as z from 'zod';
import {
  STREAM_GRACE_MAX_MS,
  STREAM_GRACE_MS,
  UPSTREAM_FIRST_BYTE_TIMEOUT_MAX_MS,
  UPSTREAM_TIMEOUT_MIN_MS,
} from '../src/core/limits.ts';
import type { TaskPrompts } from '../src/core/protocol/image-task-request.ts';
import { type ApiKeys, kvKeys, listedKeys } from './api-keys.ts';
import { taskPromptsSchema } from './task-prompts.ts';
import { type Tenancy, tenancyVariables } from './tenants/tenancy.ts';
import { readFallbacks, readUpstreams, type Upstream } from './upstream-config.ts';
import { numberVariable, readVariables } from './variables.ts';

/** Where the edge bundle is read from. */
export type BundleSource = { from: 'assets'; assets: Fetcher } | { from: 'r2'; bucket: R2Bucket; prefix: string };

/**
 * What is done about upstreams that may not see the images they are sent: `readyz` tests them when readiness is asked
 * for; `require` also keeps images from every upstream that is not proven to see.
 */
export type SelfTestMode = 'readyz' | 'require';

/** Our own integer kernel, or the exported graph on ONNX Runtime. */
export type PatchEmbed = 'kernel' | 'onnxruntime';

/** Settings of the worker, validated once. */
export interface Config {
  /** The model's name towards clients. */
  model: string;
  /** Who may ask; null serves anybody, which must be asked for. Where there are tenants, their keys are elsewhere. */
  keys: ApiKeys | null;
  /** Null where the worker serves no tenants. */
  tenancy: Tenancy | null;
  /** Who may read /metrics; `off` hides the route. */
  metrics: 'off' | 'open' | ApiKeys;
  /** Where data points of requests go, if anywhere. */
  analytics: Pick<AnalyticsEngineDataset, 'writeDataPoint'> | null;
  /** What converts pictures that no decoder here takes, if anything. */
  images: Pick<ImagesBinding, 'input'> | null;
  /** What a model is asked on the routes that bring no question. */
  taskPrompts: (model: string) => TaskPrompts;
  /** In the order of their configuration. */
  upstreams: readonly Upstream[];
  /** For each model, those to go on with when all its upstreams have failed. */
  fallbacks: ReadonlyMap<string, readonly string[]>;
  /** Silence after which a second upstream is asked as well; null never. */
  hedgeAfterMs: number | null;
  /** How long a stream waits for its first piece before it answers 200. */
  streamGraceMs: number;
  selfTest: SelfTestMode;
  bundle: BundleSource;
  /** What runs the patch embedding. */
  patchEmbed: PatchEmbed;
  /** What names of images and prompts are made with; null where nothing is remembered between requests. */
  imageReuse: { secret: string } | null;
  /** Whether the page at /playground is served. */
  playground: boolean;
}

const binding = <Type>() => z.custom<Type>(isBinding, 'expected the binding');

const auth = z.discriminatedUnion('AUTH', [
  z.object({ AUTH: z.literal('none') }).transform(() => ({ keys: null, tenancy: null })),
  tenancyVariables.transform((tenancy) => ({ keys: { listed: [], store: null }, tenancy })),
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
    .transform(({ API_KEY_SHA256, API_KEYS }) => ({
      keys: { listed: API_KEY_SHA256 ?? [], store: API_KEYS === undefined ? null : kvKeys(API_KEYS) },
      tenancy: null,
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
  HEDGE_AFTER_MS: numberVariable(
    z.union([z.literal(0), z.int().min(UPSTREAM_TIMEOUT_MIN_MS).max(UPSTREAM_FIRST_BYTE_TIMEOUT_MAX_MS)]).default(0),
  ),
  STREAM_GRACE_MS: numberVariable(z.int().min(0).max(STREAM_GRACE_MAX_MS).default(STREAM_GRACE_MS)),
  SELF_TEST: z.enum(['readyz', 'require']).default('readyz'),
  ANALYTICS: binding<AnalyticsEngineDataset>().optional(),
  IMAGES: binding<ImagesBinding>().optional(),
  TASK_PROMPTS: taskPromptsSchema,
  PATCH_EMBED: z.enum(['kernel', 'onnxruntime']).default('kernel'),
  PLAYGROUND: z.enum(['on', 'off']).default('on'),
  IMAGE_REUSE: z.enum(['on', 'off']).default('on'),
  CACHE_SECRET: z.string().default(''),
});

/**
 * Variables, secrets and bindings, validated.
 *
 * @throws RequestError `misconfigured` that names the variable, so that a wrong deployment says so on its first request.
 */
export function readConfig(env: object): Config {
  const vars = readVariables(settings, env);
  const upstreams = readUpstreams(env, vars.MODEL);
  return {
    model: vars.MODEL,
    ...readVariables(auth, env),
    metrics: readVariables(metrics, env),
    analytics: vars.ANALYTICS ?? null,
    images: vars.IMAGES ?? null,
    taskPrompts: vars.TASK_PROMPTS,
    bundle: readVariables(bundle, env),
    upstreams,
    fallbacks: readFallbacks(env, upstreams),
    hedgeAfterMs: vars.HEDGE_AFTER_MS === 0 ? null : vars.HEDGE_AFTER_MS,
    streamGraceMs: vars.STREAM_GRACE_MS,
    selfTest: vars.SELF_TEST,
    patchEmbed: vars.PATCH_EMBED,
    imageReuse: vars.IMAGE_REUSE === 'off' ? null : { secret: vars.CACHE_SECRET },
    playground: vars.PLAYGROUND === 'on',
  };
}

function isBinding(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
