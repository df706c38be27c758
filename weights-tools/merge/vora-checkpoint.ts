import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type PreprocessorConfig, parsePreprocessorConfig } from '../../src/core/model/preprocessor-config.ts';
import { type LlmShape, parseEosTokenIds, parseLlmShape } from '../../src/core/model/llm-config.ts';
import { parseVoraConfig, type VoraConfig } from '../../src/core/model/vora-config.ts';
import { BadInput } from '../bad-input.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint.ts';
import { readJsonFile, readOptionalJsonFile } from '../json-file.ts';
import { GENERATION_CONFIG, readTextFiles, type TextFiles } from './text-files.ts';

export interface ImageOptions {
  readonly mode?: 'square' | 'native';
  readonly minPixels?: number;
  readonly maxPixels?: number;
}

/** Everything a merge reads, opened and checked as far as each file alone can be. */
export interface MergeInputs {
  readonly checkpoint: Checkpoint;
  readonly base: Checkpoint | null;
  readonly config: VoraConfig;
  /** config.json of the language model: the base's, or the checkpoint's own, which holds the same fields. */
  readonly llmConfig: object;
  readonly eosTokenIds: readonly number[];
  readonly preprocessor: PreprocessorConfig;
  readonly text: TextFiles;
  /** Name in the provenance to path, for every file read. */
  readonly files: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/** @throws BadInput, MalformedFile */
export async function openMergeInputs(
  path: string,
  basePath: string | undefined,
  image: ImageOptions,
): Promise<MergeInputs> {
  if (!(await isFolder(path))) {
    throw new BadInput(`${path}: found no folder, expected a VoRA checkpoint folder`);
  }
  const configPath = join(path, 'config.json');
  const configJson = await requireJson(configPath);
  const config = parseVoraConfig(configPath, configJson);
  const baseConfigPath = basePath === undefined ? undefined : join(basePath, 'config.json');
  const llmConfig = baseConfigPath === undefined ? configJson : await requireJson(baseConfigPath);
  if (baseConfigPath !== undefined) {
    refuseOtherModel(baseConfigPath, parseLlmShape(baseConfigPath, llmConfig, 'qwen2'), config.llm);
  }

  const preprocessorPath = join(path, 'preprocessor_config.json');
  const preprocessorJson = await readOptionalJsonFile(preprocessorPath);
  const preprocessor = parsePreprocessorConfig(preprocessorPath, preprocessorJson ?? {}, image);
  refusePixelBounds(preprocessorPath, preprocessor, image);
  const text = await readTextFiles(basePath === undefined ? [path] : [path, basePath]);
  const eosTokenIds = await readEosTokenIds(text, config);

  const checkpoint = await openCheckpoint(path);
  const base =
    basePath === undefined
      ? null
      : await openCheckpoint(basePath).catch(async (error: unknown) => {
          await checkpoint.close();
          throw error;
        });

  const files = [configPath, ...checkpoint.files, ...(preprocessorJson === undefined ? [] : [preprocessorPath])];
  const baseFiles = [...(baseConfigPath === undefined ? [] : [baseConfigPath]), ...(base?.files ?? [])];
  const textFiles = text.names.map((name) => join(text.folder, name));
  (text.folder === path ? files : baseFiles).push(...textFiles);
  return {
    checkpoint,
    base,
    config,
    llmConfig,
    eosTokenIds,
    preprocessor,
    text,
    files: new Map([...provenance('checkpoint', path, files), ...provenance('base', basePath ?? '', baseFiles)]),
    warnings: imageWarnings(config, preprocessor, preprocessorJson === undefined),
    async close() {
      await Promise.all([checkpoint.close(), base?.close()]);
    },
  };
}

async function requireJson(path: string): Promise<object> {
  const json = await readOptionalJsonFile(path);
  if (typeof json !== 'object' || json === null) {
    throw new BadInput(`${path}: found ${json === undefined ? 'nothing' : 'no JSON object'}, expected a config.json`);
  }
  return json;
}

/** Adapters added to another model give fluent nonsense, so every number must agree. */
function refuseOtherModel(basePath: string, base: LlmShape, expected: LlmShape): void {
  for (const [key, value] of Object.entries(expected)) {
    const found: unknown = Reflect.get(base, key);
    if (JSON.stringify(found) !== JSON.stringify(value)) {
      const message = `${key}: found ${JSON.stringify(found)}, expected ${JSON.stringify(value)} as in the checkpoint's config.json`;
      throw new BadInput(`${basePath}: ${message}; is this the base it was trained on?`);
    }
  }
}

/** Bounds come from a file, from the command line, or one from each. */
function refusePixelBounds(path: string, { resize }: PreprocessorConfig, { minPixels, maxPixels }: ImageOptions): void {
  if (resize.mode === 'square' && (minPixels !== undefined || maxPixels !== undefined)) {
    throw new BadInput(
      '--min-pixels and --max-pixels: found image mode square, expected --image-mode native with them',
    );
  }
  if (resize.mode === 'native' && resize.minPixels > resize.maxPixels) {
    const found = `found ${resize.minPixels} as least and ${resize.maxPixels} as most pixels of an image`;
    throw new BadInput(`${path}, --min-pixels and --max-pixels: ${found}, expected the least first`);
  }
}

async function readEosTokenIds(text: TextFiles, config: VoraConfig): Promise<readonly number[]> {
  const path = join(text.folder, GENERATION_CONFIG);
  const generation = text.names.includes(GENERATION_CONFIG) ? parseEosTokenIds(path, await readJsonFile(path)) : [];
  const ids = generation.length > 0 ? generation : config.eosTokenIds;
  if (ids.length === 0) {
    throw new BadInput(`${path}: found no eos_token_id, expected one here or in config.json`);
  }
  const unknown = ids.find((id) => id >= config.llm.vocabSize);
  if (unknown !== undefined) {
    throw new BadInput(
      `${path}: eos_token_id: found ${unknown}, expected less than vocab_size ${config.llm.vocabSize}`,
    );
  }
  return ids;
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

function provenance(prefix: string, folder: string, paths: readonly string[]): [string, string][] {
  return paths.map((path) => [`${prefix}/${relative(folder, path)}`, path]);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
