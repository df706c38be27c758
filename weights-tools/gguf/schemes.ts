import { BF16, F16, F32 } from './float-schemes.ts';
import type { GgmlTypeName } from './ggml-type.ts';
import { Q4_0 } from './q4-0.ts';
import { Q4_K } from './q4-k.ts';
import { Q5_0 } from './q5-0.ts';
import { Q6_K } from './q6-k.ts';
import { Q8_0 } from './q8-0.ts';
import type { GgufScheme } from './scheme.ts';

/** Every type that is written. */
export const SCHEMES: readonly GgufScheme[] = [F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q6_K];

const BY_TYPE = new Map(SCHEMES.map((scheme) => [scheme.type, scheme]));

/** Undefined for a type that is only known by name. */
export function schemeOf(type: GgmlTypeName): GgufScheme | undefined {
  return BY_TYPE.get(type);
}
