import { beforeAll, describe, expect, it } from 'vitest';
import { fromBytes } from '../../../src/core/bytes/byte-source.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { createRandom } from '../../attacks/random.ts';
import type { Target } from '../../attacks/target.ts';
import { imageTargets } from '../../core/image/attacks/image-targets.ts';
import { decoder } from '../decode-pixels.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl, question, testApp } from '../test-app.ts';

const COUNT = 500;
const SEED = 2027;
const parity = (name: string) => repositoryFile(`test/fixtures/parity/files/${name}`);
const golden = (name: string) => repositoryFile(`test/fixtures/golden/images/${name}`);

let targets: readonly Target[];
beforeAll(async () => {
  targets = imageTargets(
    {
      jpeg: [await golden('jpeg-420.jpg'), await golden('jpeg-progressive.jpg'), await golden('jpeg-grey.jpg')],
      png: [
        await golden('png-palette-4-bit.png'),
        await golden('png-rgb-trns.png'),
        await golden('png-interlaced.png'),
      ],
      webp: [await golden('webp-lossy.webp'), await golden('webp-lossy-alpha.webp'), await golden('exif-8-webp.webp')],
      gif: [await parity('gif-05.gif'), await parity('gif-10.gif')],
      avif: [await parity('avif-09.avif'), await parity('avif-22.avif'), await parity('avif-26.avif')],
    },
    decoder,
  );
});

describe('mutated images in workerd', () => {
  it('are refused or decoded by one isolate, which then decodes a good one', async () => {
    const findings: string[] = [];
    let taken = 0;
    for (const target of targets) {
      for (let index = 0; index < COUNT; index += 1) {
        try {
          const isSound = await target.read(fromBytes('fuzz', target.make(createRandom(SEED, index))));
          taken += Number(isSound);
          if (!isSound) {
            findings.push(`${target.name} ${index} was decoded to what it is not`);
          }
        } catch (error) {
          if (!(error instanceof RequestError)) {
            findings.push(`${target.name} ${index}: ${String(error)}`);
          }
        }
      }
    }
    expect(findings).toEqual([]);
    expect(taken).toBeGreaterThan(100);
    const app = testApp(fakeUpstream(goodAnswer()));
    const url = dataUrl(await golden('jpeg-420.jpg'), 'image/jpeg');
    expect((await app.chat(question('What?', url))).status).toBe(200);
  });
});
