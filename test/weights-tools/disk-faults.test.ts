import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { tempFolder, VORA_RANDOM } from '../support/checkpoint-folder.ts';

const { merged } = inject('artifacts');
/** Each writes over 700 kB in one file. */
const COMMANDS = [
  ['merge', VORA_RANDOM],
  ['merge', VORA_RANDOM, '--threads', '2'],
  ['export', 'onnx', merged, '--weights', 'int4'],
  ['export', 'vllm', merged],
  ['export', 'gguf', merged, '--type', 'q8_0'],
];

interface Outcome {
  readonly code: number;
  readonly stderr: string;
}

/** Runs a shell script that may end with any code. */
async function shell(script: string): Promise<Outcome> {
  return promisify(execFile)('sh', ['-c', script]).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: { code: number; stderr: string }) => ({ code: error.code, stderr: error.stderr }),
  );
}

function vora(args: readonly string[], out: string): string {
  return [process.execPath, 'bin/vora.mjs', ...args, '--out', out].map((word) => `'${word}'`).join(' ');
}

/** What stands in a folder, but for what is marked as unfinished. */
async function finished(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.endsWith('.partial'));
}

describe.each(COMMANDS)('%s %s on a disk that is full', (...args) => {
  it('says which file did not fit, and leaves nothing under the final name', async () => {
    const folder = await tempFolder();
    // A file may have no more than 100 blocks of 512 bytes: the least portable full disk that needs no mount.
    const { code, stderr } = await shell(`ulimit -f 100; exec ${vora(args, join(folder, 'out'))}`);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^error: \S+out\.partial\/[\w.-]+: EFBIG: file too large, \w+$/m);
    expect(await finished(folder)).toEqual([]);
  });
});

describe('a disk too small for the whole', () => {
  let mayMount = false;

  beforeAll(async () => {
    mayMount = (await shell("unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt'")).code === 0;
  });

  it('is noticed before the first byte', async () => {
    const folder = await tempFolder();
    const run = vora(['merge', VORA_RANDOM], join(folder, 'out'));
    // Where no file system may be mounted, a file size limit stands for the small disk.
    const script = mayMount
      ? `unshare --mount sh -c "mount -t tmpfs -o size=1m tmpfs '${folder}' && ${run}; code=\\$?; ls '${folder}' >&2; exit \\$code"`
      : `ulimit -f 100; ${run}`;
    const { code, stderr } = await shell(script);
    expect(code).toBe(3);
    expect(stderr).toMatch(/out\.partial\/model\.safetensors: (no space left: it needs [\d.]+ MB, the disk has|EFBIG)/);
    expect(stderr).not.toMatch(/^out$/m);
  });
});

it('a folder that may not be written is named, and stays as it was', async () => {
  const folder = join(await tempFolder(), 'read-only');
  await mkdir(folder);
  await chmod(folder, 0o555);
  // Root may write anywhere, unless that is taken from it.
  const asOthers = process.getuid?.() === 0 ? 'setpriv --bounding-set -dac_override,-dac_read_search ' : '';
  const { code, stderr } = await shell(`${asOthers}${vora(['merge', VORA_RANDOM], join(folder, 'out'))}`);
  expect(code).toBe(3);
  expect(stderr).toMatch(/^error: EACCES: permission denied, mkdir '\S+out\.partial'$/m);
  expect(await readdir(folder)).toEqual([]);
});
