import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IMAGE_PATCHES_MAX } from '../../src/core/limits.ts';
import { type LlmShape } from '../../src/core/model/llm-config.ts';
import { type PreprocessorConfig, parsePreprocessorConfig } from '../../src/core/model/preprocessor-config.ts';
import { parseVoraConfig, type VoraConfig } from '../../src/core/model/vora-config.ts';
import { BadInput } from '../bad-input.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint.ts';
import { readOptionalJsonFile } from '../json-file.ts';
import { type BaseModel, requireConfig } from './base-model.ts';
import type { ImageOptions } from './merge-request.ts';

/** A VoRA checkpoint folder, opened and checked as far as each file alone can be. */
export interface VoraCheckpoint {
  readonly folder: string;
  readonly configFile: string;
  /** config.json, whose fields are the language model's too. */
  readonly json: object;
  readonly config: VoraConfig;
  readonly preprocessor: PreprocessorConfig;
  readonly checkpoint: Checkpoint;
  /** Paths of the files that were read. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

/** @throws BadInput, MalformedFile */
export async function openVoraCheckpoint(folder: string, image: ImageOptions): Promise<VoraCheckpoint> {
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) {
    throw new BadInput(`${folder}: found no folder, expected a VoRA checkpoint folder`);
  }
  const configFile = join(folder, 'config.json');
  const json = await requireConfig(configFile);
  const config = parseVoraConfig(configFile, json);
  const preprocessorPath = join(folder, 'preprocessor_config.json');
  const preprocessorJson = await readOptionalJsonFile(preprocessorPath);
  const preprocessor = parsePreprocessorConfig(preprocessorPath, preprocessorJson ?? {}, image);
  refusePixelBounds(preprocessorPath, preprocessor, config.vision, image);
  const checkpoint = await openCheckpoint(folder);
  return {
    folder,
    configFile,
    json,
    config,
    preprocessor,
    checkpoint,
    files: [configFile, ...checkpoint.files, ...(preprocessorJson === undefined ? [] : [preprocessorPath])],
    warnings: imageWarnings(config, preprocessor, preprocessorJson === undefined),
  };
}

/**
 * Adapters added to another model give fluent nonsense, so every number must agree.
 *
 * @throws BadInput
 */
export function refuseOtherModel({ configFile, llm }: Pick<BaseModel, 'configFile' | 'llm'>, expected: LlmShape): void {
  for (const [key, value] of Object.entries(expected)) {
    const [found, wanted] = [JSON.stringify(Reflect.get(llm, key)), JSON.stringify(value)];
    if (found !== wanted) {
      const message = `${key}: found ${found}, expected ${wanted} as in the checkpoint's config.json`;
      throw new BadInput(`${configFile}: ${message}; is this the base it was trained on?`);
    }
  }
}

/** Bounds come from a file, from the command line, or one from each. */
function refusePixelBounds(
  path: string,
  { resize }: PreprocessorConfig,
  { patchSize }: VoraConfig['vision'],
  { minPixels, maxPixels }: ImageOptions,
): void {
  if (resize.mode === 'square') {
    if (minPixels !== undefined || maxPixels !== undefined) {
      throw new BadInput(
        '--min-pixels and --max-pixels: found image mode square, expected --image-mode native or by-detail with them',
      );
    }
    return;
  }
  if (resize.minPixels > resize.maxPixels) {
    const found = `found ${resize.minPixels} as least and ${resize.maxPixels} as most pixels of an image`;
    throw new BadInput(`${path}, --min-pixels and --max-pixels: ${found}, expected the least first`);
  }
  const most = IMAGE_PATCHES_MAX * patchSize ** 2;
  if (resize.maxPixels > most) {
    const found = `found ${resize.maxPixels} as most pixels of an image, expected at most ${most}`;
    throw new BadInput(`${path}, --max-pixels: ${found}, ${IMAGE_PATCHES_MAX} patches`);
  }
}

function imageWarnings({ vision }: VoraConfig, { size, resize }: PreprocessorConfig, isMissing: boolean): string[] {
  if (isMissing) {
    return [`no preprocessor_config.json: CLIP's mean and std, image size ${vision.imageSize} from config.json`];
  }
  if (resize.mode === 'square' && size !== null && size !== vision.imageSize) {
    return [
      `preprocessor_config.json asks for ${size} px, config.json for image_size ${vision.imageSize}: taking config.json's`,
    ];
  }
  return [];
}
