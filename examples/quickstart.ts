/**
 * `npm start`: checkpoint → merge → export → endpoint → worker (real workerd) → streamed answers about real pictures.
 * `--once` exits after the answers; without it both servers stay up for your own requests.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';
import { runToEnd } from './processes.ts';
import { startEndpoint, startWorker, VORA } from './whole-line.ts';

const ROOT = resolve(import.meta.dirname, '..');
const IMAGES = join(ROOT, 'examples/images');
const WORKER_PORT = 8787;
const MAX_TOKENS = 32;
const MIME = new Map([
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
const model = 'vora-tiny';
const folder = join(ROOT, 'artifacts', model);

await buildMissingArtifacts();
const endpoint = await startEndpoint(join(folder, 'onnx'));
try {
  const worker = await startWorker({
    model,
    edgeFolder: join(folder, 'edge'),
    upstreamUrl: endpoint.url,
    wire: 'image_embeds',
    preferredPort: WORKER_PORT,
  });
  try {
    await askAboutPictures(worker.url);
    if (!options.once) {
      printCurlLines(worker.url);
      await untilInterrupted();
    }
  } finally {
    await worker.stop();
  }
} finally {
  await endpoint.stop();
}

async function buildMissingArtifacts(): Promise<void> {
  const source = join(ROOT, 'models', model);
  const steps = [
    {
      out: 'merged',
      args: ['merge', `${source}/adapter`, '--base', `${source}/base`, '--name', model, '--dtype', 'f32'],
    },
    { out: 'onnx', args: ['export', 'onnx', join(folder, 'merged')] },
    { out: 'edge', args: ['export', 'edge', join(folder, 'merged')] },
  ];
  for (const { out, args } of steps) {
    if (!existsSync(join(folder, out, 'vora.json'))) {
      await runToEnd(process.execPath, [VORA, ...args, '--out', join(folder, out)]);
    }
  }
}

async function askAboutPictures(url: string): Promise<void> {
  console.log(`\n${model} is a demo model: it knows short rendered text, simple scenes and bar charts, nothing else.`);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none' });
  const questions = JSON.parse(await readFile(join(IMAGES, 'questions.json'), 'utf8')) as Record<string, string>;
  for (const [picture, question] of Object.entries(questions)) {
    await ask(client, picture, question);
  }
}

async function ask(client: OpenAI, picture: string, question: string): Promise<void> {
  const bytes = await readFile(join(IMAGES, picture));
  const dataUrl = `data:${MIME.get(extname(picture))};base64,${bytes.toString('base64')}`;
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
            { type: 'image_url', image_url: { url: dataUrl } },
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

/** `decode;dur=12.3, resize;dur=4` → `decode 12 ms, resize 4 ms, `. */
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
