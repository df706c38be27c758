import { type Command, InvalidArgumentError, Option } from 'commander';
import { DARE_SEED_MAX } from '../checkpoint-limits.ts';
import { BadInput } from '../bad-input.ts';
import type { AdapterArgument, CombineMethod, ImageOptions, MergeRequest } from '../merge/merge-request.ts';

/** What commander makes of the options below. */
export interface SourceOptions {
  readonly base?: string;
  readonly adapter: readonly AdapterArgument[];
  readonly method: CombineMethod['kind'];
  readonly density?: number;
  readonly seed?: number;
  readonly baseIsResidual?: true;
  readonly trustBase?: true;
  readonly imageMode?: NonNullable<ImageOptions['mode']>;
  readonly minPixels?: number;
  readonly maxPixels?: number;
}

/** Values that DARE keeps, and TIES, where the command line says nothing. */
const DENSITY = 0.5;

/** The options of every command that starts from a model: which base, which adapters, how they are added. */
export function addSourceOptions(command: Command): Command {
  return command
    .option('--base <dir>', 'the plain language model that the adapters were trained on')
    .option(
      '--adapter <dir[:weight]>',
      'PEFT LoRA or VoRA adapter, times its weight; may be given several times',
      (text, before: readonly AdapterArgument[]) => [...before, parseAdapter(text)],
      [],
    )
    .addOption(
      new Option('--method <method>', 'how several adapters are added')
        .choices(['exact', 'ties', 'dare'])
        .default('exact'),
    )
    .option('--density <share>', `ties, dare: share of values kept (default: ${DENSITY})`, parseDensity)
    .option('--seed <n>', 'dare: seed of the choice (default: 0)', parseSeed)
    .option('--base-is-residual', 'the base is the residual model that PiSSA, OLoRA, CorDA or LoftQ left')
    .option('--trust-base', "take --base though the adapter's config names another model")
    .addOption(
      new Option(
        '--image-mode <mode>',
        'VoRA: square, in their own proportions (native), or so where a request asks for detail: high',
      ).choices(['square', 'native', 'by-detail']),
    )
    .option('--min-pixels <n>', 'VoRA, native and by-detail: least pixels of an image', parsePixels)
    .option('--max-pixels <n>', 'VoRA, native and by-detail: most pixels of an image', parsePixels);
}

/** @throws BadInput for options that mean nothing together */
export function mergeRequest(path: string | undefined, options: SourceOptions): MergeRequest {
  const { imageMode, minPixels, maxPixels } = options;
  return {
    path: path ?? null,
    base: options.base ?? null,
    adapters: options.adapter,
    method: combineMethod(options),
    baseIsResidual: options.baseIsResidual === true,
    trustBase: options.trustBase === true,
    image: {
      ...(imageMode === undefined ? {} : { mode: imageMode }),
      ...(minPixels === undefined ? {} : { minPixels }),
      ...(maxPixels === undefined ? {} : { maxPixels }),
    },
  };
}

function combineMethod({ method, density, seed }: SourceOptions): CombineMethod {
  if (method === 'exact' && density !== undefined) {
    throw new BadInput('--density: found it with --method exact, expected --method ties or dare');
  }
  if (method !== 'dare' && seed !== undefined) {
    throw new BadInput(`--seed: found it with --method ${method}, expected --method dare`);
  }
  switch (method) {
    case 'exact':
      return { kind: method };
    case 'ties':
      return { kind: method, density: density ?? DENSITY };
    case 'dare':
      return { kind: method, density: density ?? DENSITY, seed: seed ?? 0 };
  }
}

/** `path` or `path:weight`; a colon before anything but a number is part of the path. */
function parseAdapter(text: string): AdapterArgument {
  const [, path, weight] = /^(.+):([-+.\d][-+.\deE]*)$/.exec(text) ?? [];
  if (path === undefined || weight === undefined) {
    return { path: text, weight: 1 };
  }
  const value = Number(weight);
  if (!Number.isFinite(value) || value === 0) {
    throw new InvalidArgumentError('Expected a weight other than 0, e.g. adapter:0.5.');
  }
  return { path, weight: value };
}

function parseDensity(text: string): number {
  const density = Number(text);
  if (!(density > 0 && density <= 1)) {
    throw new InvalidArgumentError('Expected a share above 0 and at most 1, e.g. 0.5.');
  }
  return density;
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed > DARE_SEED_MAX) {
    throw new InvalidArgumentError(`Expected a whole number from 0 to ${DARE_SEED_MAX}.`);
  }
  return seed;
}

function parsePixels(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError('Expected a whole number of pixels.');
  }
  return count;
}
