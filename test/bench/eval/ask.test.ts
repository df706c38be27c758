import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { askAll } from '../../../bench/eval/ask.ts';
import { type Question, readQuestionSets } from '../../../bench/eval/question-sets.ts';
import { copyWithoutLora } from '../../../bench/eval/without-lora.ts';
import { readTensors, tempFolder } from '../../support/checkpoint-folder.ts';

const ADAPTER = 'models/vora-tiny/adapter';
const SAID = { answer: 'HARBOR', unknown: 'HARBOR' };
const LINE = { image: '0.png', task: 'signs', kind: 'read', question: 'Read the text.', ...SAID };

/** An OpenAI server that gives the reply whose index is the question. */
async function serve(replies: { status?: number; text?: string; reason?: string }[]): Promise<string> {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { messages } = (await json(request)) as { messages: { content: string }[] };
    const { status = 200, text = '', reason = 'stop' } = replies[Number(messages[0]?.content)] ?? {};
    response.writeHead(status, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content: text };
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: reason }] }));
  }
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function ask(index: number): Question {
  return { task: 'signs', kind: 'read', question: String(index), ...SAID, image: null };
}

it('takes only the whole answer, ended by the model, in the order of the questions', async () => {
  const texts = ['HARBOR', 'HARBO', 'HARBOR ', 'harbor', 'HARBOR'];
  const replies = Array.from({ length: 50 }, (_, index) => ({
    text: texts[index % 5] ?? '',
    reason: index % 5 === 4 ? 'length' : 'stop',
  }));
  const right = await askAll(
    await serve(replies),
    'm',
    replies.map((_, index) => ask(index)),
  );
  expect(right).toEqual(replies.map((_, index) => index % 5 === 0));
});

it('ends the run at a request that fails, naming the question', async () => {
  const url = await serve([{ text: 'HARBOR' }, { status: 502 }]);
  await expect(askAll(url, 'm', [ask(0), ask(1)])).rejects.toThrow(/signs, read, 1: .*502/);
});

it('reads sets in order and refuses a line that is none', async () => {
  const folder = await tempFolder();
  const write = async (set: string, ...lines: object[]): Promise<void> => {
    await mkdir(join(folder, set));
    await writeFile(join(folder, set, 'questions.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  };
  await write('text', { ...LINE, image: null, task: 'text' });
  await write('signs', LINE, { ...LINE, image: '1.jpg', kind: 'price' });
  const all = await readQuestionSets(folder, {});
  expect(all.map(({ task, kind, image }) => [task, kind, image])).toEqual([
    ['signs', 'read', { path: join(folder, 'signs/0.png'), mime: 'image/png' }],
    ['signs', 'price', { path: join(folder, 'signs/1.jpg'), mime: 'image/jpeg' }],
    ['text', 'read', null],
  ]);
  expect(await readQuestionSets(folder, { names: ['signs'], count: 1 })).toEqual(all.slice(0, 1));
  await expect(readQuestionSets(folder, { names: ['maps'] })).rejects.toThrow('has no set maps; there are');
  await write('broken', LINE, { ...LINE, answer: '' });
  await expect(readQuestionSets(folder, {})).rejects.toThrow(/broken\/questions\.jsonl, line 2: answer/);
});

it('the base is the model whose every B is zero, and nothing else of it changes', async () => {
  const out = join(await tempFolder(), 'adapter');
  await copyWithoutLora(ADAPTER, out);
  const [before, after] = [await readTensors(ADAPTER), await readTensors(out)];
  const changed = [...before].filter(([name, { bytes }]) => !Buffer.from(after.get(name)?.bytes ?? []).equals(bytes));
  expect(changed.length).toBeGreaterThan(0);
  for (const [name] of changed) {
    expect(name).toMatch(/lora_B/);
    expect(after.get(name)?.bytes.every((byte) => byte === 0)).toBe(true);
  }
});
