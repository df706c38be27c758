import * as z from 'zod';
import { RequestError } from '../src/core/protocol/failure.ts';

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
  /** SHA-256 of the one accepted key; null serves anybody, which must be asked for. */
  keySha256: Uint8Array<ArrayBuffer> | null;
  upstream: Upstream;
  bundle: BundleSource;
  /** Whether the page at /playground is served. */
  playground: boolean;
}

const hexSha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'expected the SHA-256 of the key as 64 hex digits')
  .transform((hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));

const auth = z.discriminatedUnion('AUTH', [
  z.object({ AUTH: z.literal('none') }).transform(() => null),
  z.object({ AUTH: z.literal('key'), API_KEY_SHA256: hexSha256 }).transform((vars) => vars.API_KEY_SHA256),
]);

const bundle = z.discriminatedUnion('BUNDLE_SOURCE', [
  z
    .object({ BUNDLE_SOURCE: z.literal('assets'), ASSETS: z.custom<Fetcher>(isBinding, 'expected the binding') })
    .transform(({ ASSETS }): BundleSource => ({ from: 'assets', assets: ASSETS })),
  z
    .object({
      BUNDLE_SOURCE: z.literal('r2'),
      BUNDLES: z.custom<R2Bucket>(isBinding, 'expected the binding'),
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
  PLAYGROUND: z.enum(['on', 'off']).default('on'),
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
    keySha256: check(auth, env),
    bundle: check(bundle, env),
    playground: vars.PLAYGROUND === 'on',
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
