import { basename, resolve } from 'node:path';
import { BadInput } from '../bad-input.ts';

/** What a quantized copy of a model has in its name: adapters trained on it are not made for the plain weights. */
const QUANTIZED = /-(bnb-)?(4|8)bit\b|-(awq|gptq|fp8|int[48])\b/i;
/** A folder called like a model of a certain size is that model. */
const MODEL_NAME = /\d+(\.\d+)?[bm](\b|[-_])/i;

/**
 * Compares the base's name with the one that an adapter was trained on. Models of one size have equal shapes, so a name is
 * all that tells Qwen2.5-1.5B from Qwen2.5-1.5B-Instruct.
 *
 * @param named `base_model_name_or_path` of an adapter, or VoRA's `llm`: a Hugging Face id or a path
 * @returns a warning where the names cannot be compared, else null
 * @throws BadInput when the base is known to be another
 */
export function compareBaseName(
  named: { readonly file: string; readonly field: string; readonly value: string | null },
  base: { readonly folder: string; readonly config: object },
): string | null {
  const place = `${named.file}: ${named.field}`;
  if (named.value === null || named.value === '') {
    return `${place}: found no name; that ${base.folder} is the base it was trained on was compared by shapes only`;
  }
  const wanted = lastPart(named.value);
  const known = baseNames(base.folder, base.config);
  if ([basename(resolve(base.folder)), ...known].some((name) => lastPart(name) === wanted)) {
    return null;
  }
  if (QUANTIZED.test(named.value)) {
    throw new BadInput(
      `${place}: found ${named.value}, a quantized model: the adapter corrects its rounding too, which ${base.folder} does ` +
        'not have; merge it all the same with --trust-base',
    );
  }
  const [other] = known;
  if (other !== undefined) {
    throw new BadInput(
      `${place}: found ${named.value}, expected ${other}, which ${base.folder} is; if they are the same, say --trust-base`,
    );
  }
  return `${place}: found ${named.value}; that ${base.folder} is that model was compared by shapes only`;
}

/** Names that a base is known by: of its config.json, of its folder in the Hugging Face cache, of a folder like a model's. */
function baseNames(folder: string, config: object): string[] {
  const path = resolve(folder);
  const cached = /models--([^/\\]+)[/\\]snapshots[/\\]/.exec(`${path}/`)?.[1]?.replaceAll('--', '/');
  const written: unknown = Reflect.get(config, '_name_or_path');
  const own = basename(path);
  return [
    ...(typeof written === 'string' && /^[\w.-]+\/[\w.-]+$/.test(written) ? [written] : []),
    ...(cached === undefined ? [] : [cached]),
    ...(cached === undefined && MODEL_NAME.test(own) ? [own] : []),
  ];
}

function lastPart(name: string): string {
  return (
    name
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1) ?? ''
  ).toLowerCase();
}
