import { FEATURES, unsupportedFeature } from '../protocol/request-feature.ts';

/** How an image travels upstream (ARCHITECTURE.md, "Between worker and endpoint"). */
export const WIRE_FORMS = ['image_embeds', 'pixels', 'original'] as const;
export type WireForm = (typeof WIRE_FORMS)[number];

/** What a request may need that a model server may lack. */
export const CAPABILITIES = [
  'images',
  /** Counts its tokens; without, nothing but the self-test shows whether an image arrived. */
  'usage',
  /** Keeps images under a uuid, so that a later request names them only. */
  'image_uuids',
  ...FEATURES,
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Kinds of model servers: `vora serve`, vLLM, and anything else that speaks OpenAI's protocol. */
export const SERVERS = ['vora', 'vllm', 'openai'] as const;
export type Server = (typeof SERVERS)[number];

interface Profile {
  wires: readonly WireForm[];
  can: readonly Capability[];
}

/** What each kind can do; an entry of UPSTREAMS may say that its server lacks some of it. */
export const PROFILES: Record<Server, Profile> = {
  vora: { wires: WIRE_FORMS, can: CAPABILITIES },
  vllm: { wires: WIRE_FORMS, can: CAPABILITIES },
  openai: {
    wires: ['pixels', 'original'],
    can: CAPABILITIES.filter((one) => one !== 'top_k' && one !== 'image_uuids'),
  },
};

/** What a request needs, each with the path of the field that asks for it. */
export type Needs = ReadonlyMap<Capability, string>;

/** Those that can do all that a request needs. */
export function capableOf<U extends { can: ReadonlySet<Capability> }>(upstreams: readonly U[], needs: Needs): U[] {
  return upstreams.filter(({ can }) => [...needs.keys()].every((capability) => can.has(capability)));
}

/**
 * The same, where there must be one: a feature that is dropped without a word gives an answer to another question.
 *
 * @throws RequestError `invalid-request` with code `unsupported_parameter`, naming the first field that leaves nobody.
 */
export function requireCapable<U extends { can: ReadonlySet<Capability> }>(upstreams: readonly U[], needs: Needs): U[] {
  let left = [...upstreams];
  for (const [capability, param] of needs) {
    left = left.filter(({ can }) => can.has(capability));
    if (left.length === 0) {
      throw unsupportedFeature(capability, param);
    }
  }
  return left;
}

/**
 * Fields of a request that depend on the server: how it counts tokens while it streams, and who may share what it keeps of
 * prompts.
 *
 * @param cacheSalt null where prompts are nobody's.
 */
export function serverFields(
  { server, can }: { server: Server; can: ReadonlySet<Capability> },
  cacheSalt: string | null = null,
): object {
  const salt = server === 'openai' || cacheSalt === null ? {} : { cache_salt: cacheSalt };
  if (!can.has('usage')) {
    return { ...salt, stream_options: undefined };
  }
  // vLLM can count in every chunk, so that an answer which is cut off has its exact count.
  return server === 'vllm' ? { ...salt, stream_options: { include_usage: true, continuous_usage_stats: true } } : salt;
}
