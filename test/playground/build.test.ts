import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { buildPlayground } from '../../playground/build.ts';

const BUILT = resolve(import.meta.dirname, '../../worker/playground-files.js');

it('what is built is written only when it changes, or every running wrangler dev would start anew', async () => {
  await buildPlayground();
  const { mtimeMs, ino } = await stat(BUILT);
  await buildPlayground();
  expect(await stat(BUILT)).toMatchObject({ mtimeMs, ino });
});
