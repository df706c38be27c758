import * as z from 'zod';
import {
  COLD_START_MAX_MS,
  FALLBACKS_MAX,
  MODEL_NAME_MAX_CHARS,
  UPLINK_MAX_MBPS,
  UPLINK_MBPS,
  UPSTREAM_FIRST_BYTE_TIMEOUT_MAX_MS,
  UPSTREAM_FIRST_BYTE_TIMEOUT_MS,
  UPSTREAM_IDLE_TIMEOUT_MAX_MS,
  UPSTREAM_IDLE_TIMEOUT_MS,
  UPSTREAM_REGIONS_MAX,
  UPSTREAM_TIMEOUT_MIN_MS,
  UPSTREAM_WEIGHT_MAX,
  UPSTREAMS_MAX,
} from '../src/core/limits.ts';
import { bundleName } from '../src/core/model/bundle-name.ts';
import {
  CAPABILITIES,
  type Capability,
  PROFILES,
  type Server,
  SERVERS,
  WIRE_FORMS,
  type WireForm,
} from '../src/core/upstream/capability.ts';
import type { Candidate } from '../src/core/upstream/choice.ts';
import { ANYWHERE } from '../src/core/upstream/region.ts';
import { isSet, jsonVariable, misconfigured, numberVariable, readVariables } from './variables.ts';

/** A model server that answers for one of our models. */
export interface Upstream extends Candidate {
  /** Base of an OpenAI-compatible API, without `/v1`. */
  url: string;
  apiKey: string | null;
  server: Server;
  /** Forms that it takes images in; which one is chosen for each request. */
  wires: readonly WireForm[];
  /** Megabits a second on the way to it: what an image's bytes cost. */
  uplinkMbps: number;
  /** The edge bundle of its model, by name; null for the deployment's. */
  bundle: string | null;
  /** The model's name there. */
  model: string;
  /** Its name towards our clients. */
  serves: string;
  can: ReadonlySet<Capability>;
  /** Longest silence between two pieces of an answer. */
  idleMs: number;
}

const baseUrl = z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).href.replace(/\/$/, ''));
const firstByteMs = z.int().min(UPSTREAM_TIMEOUT_MIN_MS).max(UPSTREAM_FIRST_BYTE_TIMEOUT_MAX_MS);
const idleMs = z.int().min(UPSTREAM_TIMEOUT_MIN_MS).max(UPSTREAM_IDLE_TIMEOUT_MAX_MS);
const uplinkMbps = z.number().positive().max(UPLINK_MAX_MBPS);
/** One form, or several to choose from. */
const wireForms = z
  .union([z.enum(WIRE_FORMS).transform((form) => [form]), z.array(z.enum(WIRE_FORMS)).min(1)])
  .transform((forms) => [...new Set(forms)]);
const modelName = z.string().min(1).max(MODEL_NAME_MAX_CHARS);
const regions = (pattern: RegExp) => z.array(z.string().regex(pattern)).max(UPSTREAM_REGIONS_MAX).default([]);

const entry = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected up to 64 of a-z, 0-9, ., _ and -'),
    url: baseUrl,
    /** Name of the secret that holds its key. */
    key: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]*$/, 'expected the name of a secret')
      .optional(),
    server: z.enum(SERVERS),
    wire: wireForms,
    bundle: bundleName.nullable().default(null),
    uplink_mbps: uplinkMbps.default(UPLINK_MBPS),
    serves: modelName.optional(),
    model: modelName.optional(),
    lacks: z.array(z.enum(CAPABILITIES)).default([]),
    weight: z.number().positive().max(UPSTREAM_WEIGHT_MAX).default(1),
    near: z
      .strictObject({
        colos: regions(/^[A-Z]{3}$/),
        countries: regions(/^[A-Z][A-Z0-9]$/),
        continents: regions(/^(AF|AN|AS|EU|NA|OC|SA)$/),
      })
      .prefault({}),
    first_byte_ms: firstByteMs.default(UPSTREAM_FIRST_BYTE_TIMEOUT_MS),
    idle_ms: idleMs.default(UPSTREAM_IDLE_TIMEOUT_MS),
    cold_start_ms: z.int().min(0).max(COLD_START_MAX_MS).default(0),
  })
  .refine(({ server, wire }) => wire.every((form) => PROFILES[server].wires.includes(form)), {
    path: ['wire'],
    error: 'this kind of server does not take this form',
  })
  .refine(({ wire, lacks }) => wire.every((form) => form === 'original') || !lacks.includes('usage'), {
    path: ['lacks'],
    error: 'without usage nothing shows that an image in this wire form arrived',
  });

type Entry = z.output<typeof entry>;

const entries = z
  .array(entry)
  .min(1)
  .max(UPSTREAMS_MAX)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'two entries have one name');

const severalUpstreams = z.object({
  UPSTREAMS: jsonVariable(entries),
  UPSTREAM_URL: z.literal('', 'leave it empty where UPSTREAMS is set').default(''),
});

/** `pixels`, or `image_embeds,pixels`. */
const listedWires = z.string().transform((text, context): WireForm[] => {
  const words = [...new Set(text.split(','))];
  const forms = WIRE_FORMS.filter((form) => words.includes(form));
  if (forms.length !== words.length) {
    context.addIssue({ code: 'custom', message: `expected ${WIRE_FORMS.join(', ')}, several with commas` });
    return z.NEVER;
  }
  return forms;
});

/** The short form: one upstream, in variables of its own. */
const oneUpstream = z.object({
  UPSTREAM_URL: baseUrl,
  UPSTREAM_WIRE: listedWires,
  UPSTREAM_SERVER: z.enum(['', ...SERVERS]).default(''),
  UPSTREAM_MODEL: z.string().default(''),
  UPSTREAM_API_KEY: z.string().min(1).optional(),
  UPSTREAM_FIRST_BYTE_MS: numberVariable(firstByteMs.default(UPSTREAM_FIRST_BYTE_TIMEOUT_MS)),
  UPSTREAM_IDLE_MS: numberVariable(idleMs.default(UPSTREAM_IDLE_TIMEOUT_MS)),
});

const fallbacks = z.object({
  FALLBACKS: jsonVariable(z.record(modelName, z.array(modelName).max(FALLBACKS_MAX)).default({})),
});

/**
 * All upstreams, in the order of their configuration.
 *
 * @param mainModel what an entry serves that names no model.
 * @throws RequestError `misconfigured` that names variable, entry and field.
 */
export function readUpstreams(env: object, mainModel: string): Upstream[] {
  if (!isSet(env, 'UPSTREAMS')) {
    return [readOneUpstream(env, mainModel)];
  }
  const upstreams = readVariables(severalUpstreams, env).UPSTREAMS.map((fields, i) =>
    toUpstream(fields, mainModel, secretOf(fields, i, env)),
  );
  if (!upstreams.some(({ serves }) => serves === mainModel)) {
    throw misconfigured(`MODEL: no entry of UPSTREAMS serves '${mainModel}'`);
  }
  return upstreams;
}

/** For each model those to go on with when all its upstreams have failed, e.g. `{"vora-7b": ["vora-2b"]}`. */
export function readFallbacks(env: object, upstreams: readonly Upstream[]): Map<string, string[]> {
  const { FALLBACKS } = readVariables(fallbacks, env);
  for (const [model, chain] of Object.entries(FALLBACKS)) {
    const unknown = [model, ...chain].find((name) => !upstreams.some(({ serves }) => serves === name));
    if (unknown !== undefined) {
      throw misconfigured(`FALLBACKS.${model}: no upstream serves '${unknown}'`);
    }
  }
  return new Map(Object.entries(FALLBACKS));
}

function readOneUpstream(env: object, model: string): Upstream {
  const vars = readVariables(oneUpstream, env);
  // Whoever takes the client's own images is most likely no server of ours.
  const wires = vars.UPSTREAM_WIRE;
  const server = vars.UPSTREAM_SERVER || (wires.every((wire) => wire === 'original') ? 'openai' : 'vora');
  const unknown = wires.find((wire) => !PROFILES[server].wires.includes(wire));
  if (unknown !== undefined) {
    throw misconfigured(`UPSTREAM_WIRE: a server of kind '${server}' does not take '${unknown}'`);
  }
  return {
    name: 'upstream',
    url: vars.UPSTREAM_URL,
    apiKey: vars.UPSTREAM_API_KEY ?? null,
    server,
    wires,
    bundle: null,
    uplinkMbps: UPLINK_MBPS,
    serves: model,
    model: vars.UPSTREAM_MODEL || model,
    weight: 1,
    near: ANYWHERE,
    can: new Set(PROFILES[server].can),
    firstByteMs: vars.UPSTREAM_FIRST_BYTE_MS,
    idleMs: vars.UPSTREAM_IDLE_MS,
    coldStartMs: 0,
  };
}

function toUpstream(fields: Entry, mainModel: string, apiKey: string | null): Upstream {
  const {
    name,
    url,
    server,
    bundle,
    wire: wires,
    uplink_mbps: uplinkMbps,
    weight,
    near,
    lacks,
    serves = mainModel,
    model = serves,
  } = fields;
  return {
    name,
    url,
    apiKey,
    server,
    wires,
    bundle,
    uplinkMbps,
    serves,
    model,
    weight,
    near,
    can: new Set(PROFILES[server].can.filter((capability) => !lacks.includes(capability))),
    firstByteMs: fields.first_byte_ms,
    idleMs: fields.idle_ms,
    coldStartMs: fields.cold_start_ms,
  };
}

function secretOf({ key }: Entry, i: number, env: object): string | null {
  if (key === undefined) {
    return null;
  }
  const value: unknown = Reflect.get(env, key);
  if (typeof value !== 'string' || value === '') {
    throw misconfigured(`UPSTREAMS[${i}].key: there is no secret ${key}`);
  }
  return value;
}
