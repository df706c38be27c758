import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { RunningServer } from '../../examples/processes.ts';
import { startWorker } from '../../examples/whole-line.ts';
import { encodePng } from '../support/png.ts';
import { launchChromium } from './chromium.ts';
import {
  accessibilityFaults,
  give,
  openPlayground,
  type PlaygroundPage,
  readAnswer,
  readError,
} from './playground-page.ts';

declare module 'vitest' {
  interface ProvidedContext {
    artifacts: { edge: string };
  }
}

const KEY = 'the-key-of-a-visitor';
const MODEL = 'vora-random';

let server: Server;
/** What the model server does with the next question. */
let answer: (response: ServerResponse) => Promise<void>;
let worker: RunningServer;
let browser: Browser;

beforeAll(async () => {
  server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const plan = {
    model: MODEL,
    edgeFolder: inject('artifacts').edge,
    upstreamUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wire: 'pixels' as const,
    vars: ['AUTH:key', `API_KEY_SHA256:${createHash('sha256').update(KEY).digest('hex')}`],
  };
  [worker, browser] = await Promise.all([startWorker(plan), launchChromium()]);
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  await request.resume().toArray();
  response.setHeader('content-type', 'text/event-stream');
  await answer(response);
}

afterAll(async () => {
  await browser?.close();
  await worker?.stop();
  server?.closeAllConnections();
  server?.close();
});

beforeEach(() => {
  answer = async (response) => {
    response.end(words('Good.') + END);
  };
});

function chunk(fields: object): string {
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`;
}

function words(content: string): string {
  return chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
}

const END = [
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  chunk({ choices: [], usage: { prompt_tokens: 80, completion_tokens: 2, total_tokens: 82 } }),
  'data: [DONE]\n\n',
].join('');

async function openWithKey(): Promise<PlaygroundPage> {
  const opened = await openPlayground(browser, worker.url);
  await opened.page.fill('#key', KEY);
  await opened.page.press('#key', 'Tab');
  await opened.page.waitForFunction((name) => document.querySelector('select')?.value === name, MODEL);
  return opened;
}

/** What the API itself says. */
async function apiError(path: string, body: string): Promise<{ status: number; message: string; code: string }> {
  const headers = { authorization: `Bearer ${KEY}` };
  const response = await fetch(worker.url + path, { method: 'POST', headers, body });
  const { error } = (await response.json()) as { error: { message: string; code: string } };
  return { status: response.status, ...error };
}

function question(url: string): string {
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'What?' },
  ];
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content }] });
}

describe('an API key', () => {
  it('is asked for in the API’s words, and kept nowhere but in the page', async () => {
    const { page, faults, close } = await openPlayground(browser, worker.url);
    expect(await page.inputValue('#model')).toBe('');
    expect(await page.isVisible('#key')).toBe(true);
    expect(await page.isVisible('#error')).toBe(false);
    await page.click('#ask');
    expect(await readError(page)).toContain('401 invalid_api_key Send your API key as "Authorization: Bearer KEY"');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('key');

    await page.fill('#key', 'wrong');
    await page.press('#key', 'Tab');
    await page.waitForSelector('#key-error:not([hidden])');
    expect(await page.textContent('#key-error')).toBe('The API key is not valid');

    await page.fill('#key', KEY);
    await page.press('#key', 'Tab');
    await page.waitForFunction((name) => document.querySelector('select')?.value === name, MODEL);
    const { text } = await readAnswer(page, () => page.click('#ask'));
    expect(text).toBe('Good.');
    expect(await page.textContent('#code')).toContain('$VORA_API_KEY');

    const kept = await page.evaluate(() => [
      document.cookie,
      JSON.stringify([localStorage, sessionStorage]),
      location.href,
      document.documentElement.outerHTML,
    ]);
    expect(kept.join('\n')).not.toContain(KEY);
    await page.reload();
    expect(await page.inputValue('#key')).toBe('');
    expect(await faults()).toEqual([]);
    await close();
  });
});

describe('an answer that takes long', () => {
  it.each<[string, (page: Page) => Promise<void>]>([
    ['the stop button', (page) => page.click('#stop')],
    ['Escape', (page) => page.keyboard.press('Escape')],
  ])('is stopped by %s, down to the model server', async (_, stop) => {
    let upstream: ServerResponse | undefined;
    answer = async (response) => {
      upstream = response;
      for (let i = 0; !response.closed; i++) {
        response.write(words(`word ${i} `));
        await sleep(20);
      }
    };
    const { page, faults, close } = await openWithKey();
    await page.click('#ask');
    await page.waitForFunction(() => document.querySelector('#answer')?.textContent.includes('word 10') === true);
    expect(upstream?.closed).toBe(false);
    await stop(page);
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === 'Stopped');
    expect(await page.textContent('#facts')).toContain('not the whole answer');
    expect(await page.isVisible('#stop')).toBe(false);
    await vi.waitFor(() => expect(upstream?.closed).toBe(true), { timeout: 5_000 });

    answer = async (response) => {
      response.end(words('Next.') + END);
    };
    expect((await readAnswer(page, () => page.click('#ask'))).text).toBe('Next.');
    expect(await faults()).toEqual([]);
    await close();
  });

  it('is one question at a time', async () => {
    let asked = 0;
    answer = async (response) => {
      asked += 1;
      await sleep(300);
      response.end(words('Good.') + END);
    };
    const { page, close } = await openWithKey();
    await readAnswer(page, async () => {
      await page.click('#ask');
      await page.press('#question', 'Enter');
    });
    expect(asked).toBe(1);
    await close();
  });
});

describe('a failure', () => {
  it('within the answer leaves what was said, and says that it is not the whole', async () => {
    answer = async (response) => {
      response.write(words('Half an '));
      await sleep(200);
      response.destroy();
    };
    const { page, faults, close } = await openWithKey();
    await page.click('#ask');
    const shown = await readError(page);
    expect(shown).toMatch(/^upstream_broke .+\n+The text above is not the whole answer\./);
    expect(shown).toMatch(/request [0-9a-f]{32}/);
    expect(await page.textContent('#answer')).toBe('Half an ');
    expect(await page.getAttribute('#answer', 'aria-busy')).toBe('false');
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(await faults()).toEqual([]);
    await close();
  });

  it.each<[string, string, (route: Route) => Promise<void>]>([
    [
      'of a connection that ends too soon, though cleanly',
      'The answer broke off before its end.',
      (route) => route.fulfill({ contentType: 'text/event-stream', body: words('Half an ') }),
    ],
    ['of the network', 'The worker cannot be reached.', (route) => route.abort()],
    [
      'of something in between that is no API',
      '502 <h1>Bad gateway</h1>',
      (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
    ],
  ])('%s is told', async (_, told, happen) => {
    const { page, faults, close } = await openWithKey();
    await page.route('**/v1/chat/completions', happen);
    await page.click('#ask');
    expect(await readError(page)).toContain(told);
    expect(await faults()).toEqual([]);
    await close();
  });

  it('of a file that is no picture is told as the API tells it, before and after asking', async () => {
    const bytes = Buffer.from('no picture at all, whatever its name says');
    const { status, code, message } = await apiError(
      '/v1/chat/completions',
      question(`data:image/png;base64,${bytes.toString('base64')}`),
    );
    const { page, faults, close } = await openWithKey();
    await give(page, 'drop', { bytes, name: 'a.png', type: 'image/png' });
    await page.waitForFunction(() => document.querySelector('#caption')?.textContent.startsWith('No view') === true);
    expect(await page.textContent('#caption')).toBe(`No view of it: ${message}`);
    await page.click('#ask');
    const shown = await readError(page);
    expect(shown).toContain(`${status} ${code} ${message}`);
    expect(shown).toContain('messages[0].content[0].image_url.url');
    expect(await faults()).toEqual([]);
    await close();
  });

  it('of a URL is told as the API tells it', async () => {
    const url = 'https://metadata.google.internal/a.png';
    const { message } = await apiError('/playground/view', url);
    const { page, faults, close } = await openWithKey();
    await page.fill('#url', url);
    await page.press('#url', 'Enter');
    await page.waitForFunction(() => document.querySelector('#caption')?.textContent.startsWith('No view') === true);
    expect(await page.textContent('#caption')).toBe(`No view of it: ${message}`);
    await page.click('#ask');
    expect(await readError(page)).toContain(message);
    expect(await faults()).toEqual([]);
    await close();
  });
});

describe('a picture', () => {
  it('behind a URL is shown as the worker sees it', async () => {
    const { page, faults, close } = await openWithKey();
    const url = 'https://pictures.example/a.png';
    const viewed: (string | null)[] = [];
    await page.route('**/playground/view', (route) => {
      viewed.push(route.request().postData());
      const body = encodePng(112, 112, new Uint8Array(112 * 112 * 3).fill(200));
      return route.fulfill({ contentType: 'image/png', body });
    });
    await page.fill('#url', url);
    await page.press('#url', 'Enter');
    await page.waitForSelector('#model-view:not([hidden])');
    expect(viewed).toEqual([url]);
    expect(await page.textContent('#caption')).toBe('112 × 112 px: 8 × 8 patches, 64 tokens.');
    expect(await page.isVisible('#view-choice')).toBe(false);
    expect(await page.textContent('#code')).toContain(url);
    expect(await faults()).toEqual([]);
    await close();
  });

  it('that travels as pixels is listed so', async () => {
    const { page, close } = await openWithKey();
    // No sample: one that was asked about before may be remembered, and is not made again.
    const bytes = encodePng(112, 112, new Uint8Array(112 * 112 * 3).fill(90));
    await give(page, 'drop', { bytes, name: 'grey.png', type: 'image/png' });
    await page.waitForSelector('#model-view:not([hidden])');
    await readAnswer(page, () => page.click('#ask'));
    expect(await page.locator('#forms li.used').allInnerTexts()).toEqual([expect.stringMatching(/^pixels, PNG, sent/)]);
    expect(await page.locator('#stages li').allInnerTexts()).toContainEqual(expect.stringMatching(/^encode PNG/));
    await close();
  });
});
