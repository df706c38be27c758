import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chatBody, type Wishes } from '../../playground/chat-body.ts';
import { type Language, type PictureSource, snippet } from '../../playground/snippets.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Longer than one argument of a process may be. */
const PICTURE = Buffer.alloc(300_000, 'picture');
const WORDS = 'An answer.';

/** A server that keeps what it is asked and answers like the worker. */
let server: Server;
let origin: string;
let asked: { body: unknown; authorization: string | undefined }[] = [];
/** Inside the checkout, where code finds the openai package as a user's would. */
let folder: string;

beforeAll(async () => {
  server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = await mkdtemp(join(ROOT, '.cache/snippets-'));
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/playground/word.png') {
    response.end(PICTURE);
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  const { authorization } = request.headers;
  asked.push({ body: JSON.parse(Buffer.concat(chunks).toString()), authorization });
  const chunk = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const choices = [{ index: 0, delta: { role: 'assistant', content: WORDS }, finish_reason: 'stop' }];
  response.setHeader('content-type', 'text/event-stream');
  response.end(`data: ${JSON.stringify({ ...chunk, choices })}\n\ndata: [DONE]\n\n`);
}

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const run = promisify(execFile);
const RUN: Record<Exclude<Language, 'python'>, (code: string) => Promise<string>> = {
  async curl(code) {
    return (await run('bash', ['-c', code], { cwd: folder, env: environment() })).stdout;
  },
  async javascript(code) {
    const file = join(folder, 'ask.mjs');
    await writeFile(file, code);
    return (await run(process.execPath, [file], { cwd: folder, env: environment() })).stdout;
  },
};

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, VORA_API_KEY: 'the-key' };
}

const WISHES: Wishes = { model: 'vora-tiny', question: 'What does it say?', maxTokens: 256, temperature: 0 };
const HARD: Wishes = {
  model: "it's/$a `model`",
  question: 'It\'s "$HOME" \\u0000 \u2028 ${x} `id` \\\n%s {picture} 🦊 "\\u0000" !',
  maxTokens: Number.NaN,
  temperature: Number.NaN,
};

function dataUrl(type: string): string {
  return `data:${type};base64,${PICTURE.toString('base64')}`;
}

const FILE: PictureSource = { kind: 'file', name: `it's "a" $HOME.png`, type: 'image/png' };

describe.each(['curl', 'javascript'] as const)('code in %s sends the body that the page sends', (language) => {
  it.each<[string, Wishes, () => PictureSource | null, () => string | null]>([
    ['a file', WISHES, () => FILE, () => dataUrl('image/png')],
    ['a file, hard to quote', HARD, () => FILE, () => dataUrl('image/png')],
    [
      'a sample',
      WISHES,
      () => ({ kind: 'served', href: `${origin}/playground/word.png`, type: 'image/png' }),
      () => dataUrl('image/png'),
    ],
    [
      'a URL',
      WISHES,
      () => ({ kind: 'url', url: "https://pictures.example/it's.png?a=$b" }),
      () => "https://pictures.example/it's.png?a=$b",
    ],
    ['no picture', HARD, () => null, () => null],
  ])('about %s', async (_, wishes, source, url) => {
    asked = [];
    await writeFile(join(folder, `it's "a" $HOME.png`), PICTURE);
    const code = snippet(language, { origin, needsKey: false, wishes, picture: source() });
    const said = await RUN[language](code);
    expect(said).toContain(WORDS);
    expect(asked.map(({ body }) => body)).toEqual([chatBody(wishes, url())]);
  });

  it('takes the key from the environment, and shows none', async () => {
    asked = [];
    await RUN[language](snippet(language, { origin, needsKey: true, wishes: WISHES, picture: null }));
    expect(asked[0]?.authorization).toBe('Bearer the-key');
  });
});
