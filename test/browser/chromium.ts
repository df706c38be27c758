import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import packaged from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The machine's own Chromium, or the one that an npm package brings for Linux; elsewhere CHROMIUM_PATH names one. */
export async function launchChromium(): Promise<Browser> {
  const own = await findOnPath();
  if (own !== undefined) {
    // The tests' page is ours: a container has no user namespaces, and there is no sandbox without them.
    return chromium.launch({ executablePath: own, args: ['--no-sandbox'] });
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`No ${NAMES.join(', ')} on PATH: name a Chromium by CHROMIUM_PATH`);
  }
  return chromium.launch({ executablePath: await packaged.executablePath(), args: packaged.args });
}

async function findOnPath(): Promise<string | undefined> {
  const { CHROMIUM_PATH, PATH = '' } = process.env;
  const candidates = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  for (const path of CHROMIUM_PATH === undefined ? candidates : [CHROMIUM_PATH]) {
    if (await isExecutable(path)) {
      return path;
    }
  }
  if (CHROMIUM_PATH !== undefined) {
    throw new Error(`CHROMIUM_PATH names ${CHROMIUM_PATH}, which cannot be run`);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
