import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import axe from 'axe-core';

const ANSWER_TIMEOUT_MS = 30_000;

export interface PlaygroundPage {
  page: Page;
  /** Everything that no page should do: what its policy stopped, errors, requests to elsewhere. */
  faults: () => Promise<string[]>;
  close: () => Promise<void>;
}

/** The page, loaded and ready, as one visitor sees it. */
export async function openPlayground(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<PlaygroundPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // Chromium reports an API's error status so; the page shows it.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      faults.push(`console: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) {
      faults.push(`request: ${request.url()}`);
    }
  });
  await page.addInitScript(() => {
    const violations: string[] = [];
    Object.assign(window, { violations });
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
      violations.push(`${effectiveDirective} ${blockedURI}`);
    });
  });
  await page.goto(`${url}/playground`);
  await page.waitForFunction(() => document.querySelector<HTMLSelectElement>('#model')?.options.length === 1);
  return {
    page,
    faults: async () => [...faults, ...(await violations(page)).map((text) => `policy: ${text}`)],
    close: () => context.close(),
  };
}

/** What the page's policy stopped. */
export async function violations(page: Page): Promise<string[]> {
  return page.evaluate(() => Reflect.get(window, 'violations') as string[]);
}

export interface GivenFile {
  bytes: Uint8Array;
  name: string;
  type: string;
}

/** Drops a file onto the picture's place, or pastes it, as a browser tells the page of it. */
export async function give(page: Page, how: 'drop' | 'paste', { bytes, name, type }: GivenFile): Promise<void> {
  const file = { base64: Buffer.from(bytes).toString('base64'), name, type, how };
  await page.evaluate(({ base64, name, type, how }) => {
    const data = new DataTransfer();
    const content = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    data.items.add(new File([content], name, { type }));
    const init = { bubbles: true, cancelable: true };
    document
      .querySelector('#stage')
      ?.dispatchEvent(
        how === 'drop'
          ? new DragEvent('drop', { ...init, dataTransfer: data })
          : new ClipboardEvent('paste', { ...init, clipboardData: data }),
      );
  }, file);
}

/** The answer when it is whole, and how long its text was each time it grew. */
export async function readAnswer(page: Page, ask: () => Promise<unknown>): Promise<{ text: string; grew: number[] }> {
  await page.evaluate(() => {
    const answer = document.querySelector('#answer');
    const grew: number[] = [];
    Object.assign(window, { grew });
    if (answer !== null) {
      new MutationObserver(() => grew.push(answer.textContent.length)).observe(answer, { childList: true });
    }
  });
  await ask();
  await page.waitForFunction(
    () => document.querySelector('#status')?.textContent.startsWith('Answer: ') === true,
    undefined,
    { timeout: ANSWER_TIMEOUT_MS },
  );
  const text = (await page.textContent('#answer')) ?? '';
  return { text, grew: await page.evaluate(() => Reflect.get(window, 'grew') as number[]) };
}

/** The failure that the page shows. */
export async function readError(page: Page): Promise<string> {
  await page.waitForSelector('#error:not([hidden])', { timeout: ANSWER_TIMEOUT_MS });
  return page.innerText('#error');
}

/** What axe-core finds wrong, one line a rule and place. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  const results: unknown = await page.evaluate(`${axe.source}; axe.run(document)`);
  const { violations: found, passes } = results as axe.AxeResults;
  if (passes.length < 20) {
    throw new Error(`axe-core passed only ${passes.length} rules: it did not see the page`);
  }
  return found.flatMap(({ id, impact, nodes }) => nodes.map(({ target }) => `${impact} ${id} at ${target.join(' ')}`));
}
