import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const PACKAGE = '@huggingface/transformers';
const VERSION = '4.3.2';
const CACHE = resolve(import.meta.dirname, '../../.cache', `transformers-js-${VERSION}`);

/** Path of transformers.js for Node. It is half a gigabyte with what it needs, so that it is installed where a bench asks. */
export async function fetchTransformersJs(): Promise<string> {
  const module = join(CACHE, 'node_modules', PACKAGE, 'dist/transformers.node.mjs');
  if (!existsSync(module)) {
    console.log(`installing ${PACKAGE} ${VERSION} in ${CACHE}`);
    await mkdir(CACHE, { recursive: true });
    await writeFile(join(CACHE, 'package.json'), '{"private":true}\n');
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${PACKAGE}@${VERSION}`];
    await promisify(execFile)('npm', install, { cwd: CACHE });
  }
  return module;
}
