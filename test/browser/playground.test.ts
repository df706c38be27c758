import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_MODEL, pictureUrl, startDemoLine } from '../../examples/demo-line.ts';
import type { RunningServer } from '../../examples/processes.ts';
import { preprocess } from '../../src/core/image/preprocess.ts';
import { sniffImage } from '../../src/core/image/sniff.ts';
import { loadImageDecoder } from '../../src/endpoint/image-codecs.ts';
import { visionOf } from '../core/image/goldens.ts';
import { flatJpeg } from '../support/flat-jpeg.ts';
import { launchChromium } from './chromium.ts';
import {
  accessibilityFaults,
  give,
  openPlayground,
  type PlaygroundPage,
  readAnswer,
  violations,
} from './playground-page.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GOLDEN = join(ROOT, 'test/fixtures/golden');
const PARITY = join(ROOT, 'test/fixtures/parity/files');
const SCREENSHOTS = join(ROOT, '.cache/screenshots');
const DESKTOP = { viewport: { width: 1180, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true };

let line: RunningServer;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  [line, browser] = await Promise.all([startDemoLine(), launchChromium()]);
});

afterAll(async () => {
  await browser?.close();
  await line?.stop();
});

function sample(name: string): { bytes: Uint8Array; name: string; type: string } {
  return { bytes: readFileSync(join(ROOT, 'examples/images', name)), name, type: `image/${name.split('.').at(-1)}` };
}

/** What the openai package gets for the same question. */
async function expectedAnswer(name: string, question: string): Promise<string> {
  const client = new OpenAI({ baseURL: `${line.url}/v1`, apiKey: 'none' });
  const { choices } = await client.chat.completions.create({
    model: DEMO_MODEL,
    temperature: 0,
    max_tokens: 256,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: await pictureUrl(name) } },
          { type: 'text', text: question },
        ],
      },
    ],
  });
  return choices[0]?.message.content ?? '';
}

async function ask(page: Page, question: string): Promise<{ text: string; grew: number[] }> {
  return readAnswer(page, async () => {
    await page.fill('#question', question);
    await page.click('#ask');
  });
}

describe('the playground in Chromium, in front of the real line', () => {
  it('answers about a picture that is dropped onto it, word by word, and says where time and bytes went', async () => {
    const { page, faults, close } = await openPlayground(browser, line.url, DESKTOP);
    await give(page, 'drop', sample('scene.webp'));
    const question = 'What is in the picture?';
    const { text, grew } = await ask(page, question);

    expect(text).toBe(await expectedAnswer('scene.webp', question));
    expect(text).toContain('circle');
    // Each time a little more: it streams.
    expect(grew.length).toBeGreaterThan(5);
    expect(grew).toEqual(grew.toSorted((a, b) => a - b));

    expect(await page.textContent('#caption')).toContain('8 × 8 patches, 64 tokens');
    const stages = await page.locator('#stages li').allInnerTexts();
    expect(stages.map((row) => row.split('\n')[0])).toEqual([
      'receive request',
      'get picture',
      'decode and resize',
      'embed patches',
      'model server',
      'until first text',
      'answer',
    ]);
    // 64 tokens of 256 numbers in bf16 are 32 768 bytes, and a third more in base64.
    const [given, , embeddings] = await page.locator('#forms li').allInnerTexts();
    expect(given).toMatch(/^as given\s+1\.2 kB/);
    expect(embeddings).toMatch(/^embeddings, sent\s+44\.4 kB/);
    expect(await page.textContent('#facts')).toMatch(
      /^\d+ tokens read · \d+ written( · \d+ a second)?request [0-9a-f]{32}$/,
    );
    expect(await faults()).toEqual([]);
    await close();
  });

  it('takes a picture from the clipboard, a file chooser, or a click on a sample', async () => {
    const { page, faults, close } = await openPlayground(browser, line.url, DESKTOP);
    const word = await readAnswer(page, () => page.click('[data-sample="word.png"]'));
    expect(word.text).toBe('HARBOR');

    await give(page, 'paste', sample('price.jpg'));
    expect((await ask(page, 'Read the text.')).text).toBe(await expectedAnswer('price.jpg', 'Read the text.'));
    expect(await page.textContent('#code-note')).toContain('save it as pasted.jpg');

    await page.setInputFiles('#file', join(ROOT, 'examples/images/chart.png'));
    const question = 'Which bar is the highest?';
    expect((await ask(page, question)).text).toBe(await expectedAnswer('chart.png', question));
    expect(await page.textContent('#code-note')).toContain('reads chart.png');
    expect(await faults()).toEqual([]);
    await close();
  });

  it('gives code that gives the same answer', async () => {
    const { page, close } = await openPlayground(browser, line.url, {
      ...DESKTOP,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const { text } = await readAnswer(page, () => page.click('[data-sample="word.png"]'));
    await page.click('#copy');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe(await page.textContent('#code'));
    const { stdout } = await promisify(execFile)('bash', ['-c', copied]);
    const words = [...stdout.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(
      (match) => JSON.parse(match[1] ?? '""') as string,
    );
    expect(words.join('')).toBe(text);

    await page.getByText('Python', { exact: true }).click();
    expect(await page.textContent('#code')).toContain('from openai import OpenAI');
    await close();
  });

  it('can be used by keyboard alone, and a screen reader hears the answer', async () => {
    const { page, faults, close } = await openPlayground(browser, line.url, DESKTOP);
    await tabTo(page, '[data-sample="word.png"]');
    const { text } = await readAnswer(page, () => page.keyboard.press('Enter'));
    expect(await page.textContent('[role=status]')).toBe(`Answer: ${text}`);

    await tabTo(page, '#question');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('Read the text.');
    const again = await readAnswer(page, () => page.keyboard.press('Enter'));
    expect(again.text).toBe('HARBOR');

    await tabTo(page, 'input[name=language]');
    await page.keyboard.press('ArrowRight');
    expect(await page.textContent('#code')).toContain('import OpenAI from "openai"');
    expect(await faults()).toEqual([]);
    await close();
  });

  it('loads and runs nothing that its policy does not name', async () => {
    const { page, close } = await openPlayground(browser, line.url, DESKTOP);
    expect(await violations(page)).toEqual([]);
    await page.evaluate(() => {
      const script = document.createElement('script');
      document.body.append(script, Object.assign(document.createElement('img'), { src: 'https://example.com/a.png' }));
      document.body.setAttribute('style', 'color: red');
    });
    await page.waitForFunction(() => (Reflect.get(window, 'violations') as string[]).length === 2);
    expect(await violations(page)).toEqual(['style-src-attr inline', 'img-src https://example.com/a.png']);
    await close();
  });
});

/** RGB of the canvas. */
async function shownPixels(page: Page): Promise<Uint8Array> {
  const shown = await page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    return [...(canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [])];
  });
  return Uint8Array.from(shown.filter((_, at) => at % 4 !== 3));
}

describe('a picture in the playground', () => {
  let opened: PlaygroundPage;

  beforeAll(async () => {
    opened = await openPlayground(browser, line.url, DESKTOP);
  });

  afterAll(async () => {
    await opened?.close();
  });

  it.each([
    ['png-rgb', 'png'],
    ['png-palette', 'png'],
    ['exif-3-png', 'png'],
    ['exif-6-png', 'png'],
    ['exif-5-webp', 'webp'],
    ['exif-8-webp', 'webp'],
    ['exif-3-jpeg', 'jpg'],
    ['exif-6-jpeg', 'jpg'],
    ['jpeg-progressive', 'jpg'],
    ['photo-coast', 'jpg'],
    ['size-501x333', 'png'],
    ['size-3x500', 'png'],
  ])('is shown as the model sees it, in the pixels of Pillow: %s', async (name, extension) => {
    const { page } = opened;
    const bytes = readFileSync(join(GOLDEN, `images/${name}.${extension}`));
    await give(page, 'drop', { bytes, name: `a.${extension}`, type: `image/${extension}` });
    await page.waitForSelector('#model-view:not([hidden])');
    expect(Buffer.compare(await shownPixels(page), goldenPixels(name))).toBe(0);
  });

  it.each(['avif-09', 'avif-12', 'avif-14', 'avif-15'])('that is an AVIF is shown upright: %s', async (name) => {
    const { page } = opened;
    const bytes = new Uint8Array(readFileSync(join(PARITY, `${name}.avif`)));
    await give(page, 'drop', { bytes: Buffer.from(bytes), name: `${name}.avif`, type: 'image/avif' });
    const header = sniffImage(bytes, 'picture');
    const decoder = await loadImageDecoder();
    const rows = await decoder.open(bytes, header, 'picture');
    const { data } = await preprocess(header, rows, visionOf('square'), 'picture', decoder.passes);
    const apart = async () => {
      const shown = await shownPixels(page);
      return shown.reduce((sum, value, i) => sum + Math.abs(value - (data[i] ?? 0)), 0) / data.length;
    };
    await expect.poll(apart, { timeout: 10_000 }).toBeLessThan(2);
    expect(await page.textContent('#caption')).toContain('by other rounding');
  });

  it.each([
    ['a CMYK JPEG', 'a.jpg', () => readFileSync(join(GOLDEN, 'images/jpeg-cmyk.jpg')), 'in a way of its own'],
    ['a photo of 18 MP', 'b.jpg', () => flatJpeg(6000, 3000), 'decodes so large a photo at a smaller size'],
    ['transparency', 'c.png', () => readFileSync(join(GOLDEN, 'images/png-rgba.png')), 'the colours beneath'],
  ])('says where the model may see something else: %s', async (_, name, read, said) => {
    const { page } = opened;
    await give(page, 'drop', { bytes: read(), name, type: name.endsWith('png') ? 'image/png' : 'image/jpeg' });
    await expect.poll(() => page.textContent('#caption'), { timeout: 10_000 }).toContain(said);
  });
});

describe.each([
  ['light', { ...DESKTOP, colorScheme: 'light' }],
  ['dark', { ...DESKTOP, colorScheme: 'dark' }],
  ['phone', { ...PHONE, colorScheme: 'light' }],
  ['phone-dark', { ...PHONE, colorScheme: 'dark' }],
] as const)('%s', (name, options) => {
  it('has no accessibility fault that axe-core knows, empty and with an answer', async () => {
    const { page, faults, close } = await openPlayground(browser, line.url, options);
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-empty.png`), fullPage: true });
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.click('summary');
    await readAnswer(page, () => page.click('[data-sample="price.jpg"]'));
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.click('summary');
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
    expect(await faults()).toEqual([]);
    await close();
  });

  it('fits its width, and shows the answer without scrolling by hand', async () => {
    const { page, close } = await openPlayground(browser, line.url, options);
    await readAnswer(page, () => page.click('[data-sample="word.png"]'));
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await page.waitForFunction(() => {
      const { top, bottom } = document.querySelector('#answer')?.getBoundingClientRect() ?? { top: -1, bottom: 0 };
      return top >= 0 && bottom <= innerHeight;
    });
    await close();
  });
});

/** Presses Tab until an element has the focus; each stop on the way must show that it has it. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press('Tab');
    const { there, visible, name } = await page.evaluate((wanted) => {
      const { activeElement } = document;
      // A hidden field shows its focus on the label beside it.
      const shown = [activeElement, activeElement?.nextElementSibling].filter((element) => element instanceof Element);
      return {
        there: activeElement?.matches(wanted) === true,
        visible:
          activeElement === document.body ||
          shown.some((element) => getComputedStyle(element).outlineStyle === 'solid'),
        name: activeElement?.outerHTML.slice(0, 80),
      };
    }, selector);
    expect([name, visible]).toEqual([name, true]);
    if (there) {
      return;
    }
  }
  throw new Error(`${selector} cannot be reached by Tab`);
}

function goldenPixels(name: string): Uint8Array {
  const file = readFileSync(join(GOLDEN, `${name}.square.safetensors`));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as {
    pixels: { data_offsets: [number, number] };
  };
  const [start, end] = header.pixels.data_offsets;
  return file.subarray(8 + headerBytes + start, 8 + headerBytes + end);
}
