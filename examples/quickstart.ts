/**
 * `npm start`: checkpoint → merge → export → endpoint → worker (real workerd) → streamed answers about real pictures.
 * `--once` exits after the answers; without it both servers stay up for your own requests.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';
import { DEMO_MODEL as model, pictureUrl, startDemoLine } from './demo-line.ts';

const WORKER_PORT = 8787;
const MAX_TOKENS = 32;
const QUESTIONS = join(import.meta.dirname, 'images/questions.json');

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const line = await startDemoLine(WORKER_PORT);
try {
  await askAboutPictures(line.url);
  if (!options.once) {
    printCurlLines(line.url);
    console.log(`\nThe playground is at ${line.url}/playground: drop a picture, ask, and see what the model sees.`);
    await untilInterrupted();
  }
} finally {
  await line.stop();
}

async function askAboutPictures(url: string): Promise<void> {
  console.log(`\n${model} is a demo model: it knows short rendered text, simple scenes and bar charts, nothing else.`);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' });
  const questions = JSON.parse(await readFile(QUESTIONS, 'utf8')) as Record<string, string>;
  for (const [picture, question] of Object.entries(questions)) {
    await ask(client, picture, question);
  }
}

async function ask(client: OpenAI, picture: string, question: string): Promise<void> {
  const url = await pictureUrl(picture);
  const started = performance.now();
  const { data: stream, response } = await client.chat.completions
    .create({
      model,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: MAX_TOKENS,
      temperature: 0,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url } },
            { type: 'text', text: question },
          ],
        },
      ],
    })
    .withResponse();
  process.stdout.write(`\n${picture}: ${question} `);
  let firstToken: number | undefined;
  let tokens = 0;
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content ?? '';
    if (text !== '') {
      firstToken ??= performance.now();
      process.stdout.write(text);
    }
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  const ended = performance.now();
  const perSecond = tokens / ((ended - (firstToken ?? started)) / 1000);
  const edge = response.headers.get('server-timing') ?? '';
  console.log(
    `\n  ${describeTiming(edge)}first token ${Math.round((firstToken ?? ended) - started)} ms, ${Math.round(perSecond)} tokens/s`,
  );
}

/** `decode;dur=12.3, embed;dur=4` → `decode 12 ms, embed 4 ms, `. */
function describeTiming(header: string): string {
  return header
    .split(',')
    .map((entry) => /^\s*([\w-]+).*dur=([\d.]+)/.exec(entry))
    .map((match) => (match === null ? '' : `${match[1]} ${Math.round(Number(match[2]))} ms, `))
    .join('');
}

function printCurlLines(url: string): void {
  const image =
    '{"type":"image_url","image_url":{"url":"data:image/png;base64,\'$(base64 < examples/images/word.png | tr -d \'\\n\')\'"}}';
  const body = (content: string, more = ''): string =>
    `'{"model":"${model}"${more},"messages":[{"role":"user","content":${content}}]}'`;
  console.log(`\nThe API is up at ${url}/v1 (Ctrl-C stops it):`);
  console.log(`  curl ${url}/v1/models`);
  console.log(`  curl ${url}/v1/chat/completions -H 'content-type: application/json' -d ${body('"Hello"')}`);
  console.log(
    `  curl -N ${url}/v1/chat/completions -H 'content-type: application/json' -d ${body(`[${image},{"type":"text","text":"What does it say?"}]`, ',"stream":true')}`,
  );
}

async function untilInterrupted(): Promise<void> {
  await new Promise<void>((done) => {
    process.once('SIGINT', done);
    process.once('SIGTERM', done);
  });
}
