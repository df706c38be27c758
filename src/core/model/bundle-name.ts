import * as z from 'zod';
import { BUNDLE_NAME_MAX_CHARS } from '../limits.ts';

/** Name of an edge bundle that is not the deployment's own; becomes a prefix of keys in R2, or a folder of assets. */
export const bundleName = z
  .string()
  .max(BUNDLE_NAME_MAX_CHARS)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'expected a-z, 0-9, ., _ and -');
