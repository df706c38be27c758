import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildWorker, startBuiltWorker } from '../../examples/built-worker.ts';
import { startEndpoint } from '../../examples/whole-line.ts';
import { encodePng } from '../../src/core/image/encode-png.ts';
import { vora } from '../../test/support/build-artifacts.ts';
import { percentile } from '../percentile.ts';

const MODEL = 'vora-tiny';
/** 32 × 32 patches, as VoRA-7B has them. */
const SIDE_PX = 448;
const QUESTION = 'What is in the picture?';

export interface TurnsReport {
  /** Medians of the time to the first token, in milliseconds. */
  readonly firstMs: number;
  readonly secondMs: number;
  /** Base64 of images that the worker sent in all second turns. */
  readonly secondBytes: number;
}

interface Turn {
  readonly firstTokenMs: number;
  readonly text: string;
  /** The header that tells how the image travelled. */
  readonly wire: string;
}

/**
 * A chat about a picture of 1024 tokens, two turns long, through the built worker and the real endpoint; each chat is about
 * a picture of its own. Prints the ratio of the times to the first token.
 */
export async function benchTwoTurns({ chats }: { chats: number }): Promise<TurnsReport> {
  const folder = await mkdtemp(join(tmpdir(), 'vora-turns-'));
  const [merged, onnx, edge] = [join(folder, 'merged'), join(folder, 'onnx'), join(folder, 'edge')];
  const pixels = ['--image-mode', 'native', '--min-pixels', String(SIDE_PX ** 2), '--max-pixels', String(SIDE_PX ** 2)];
  await vora(
    'merge',
    'models/vora-tiny/adapter',
    '--base',
    'models/vora-tiny/base',
    '--name',
    MODEL,
    ...pixels,
    '--out',
    merged,
  );
  await vora('export', 'onnx', merged, '--out', onnx);
  await vora('export', 'edge', merged, '--out', edge);
  const endpoint = await startEndpoint(onnx);
  const worker = await startBuiltWorker({
    modules: await buildWorker(),
    edgeFolder: edge,
    vars: { MODEL, UPSTREAM_URL: endpoint.url },
  });
  try {
    const [first, second]: [Turn[], Turn[]] = [[], []];
    for (let chat = 0; chat <= chats; chat++) {
      const url = await pictureUrl(chat);
      const opening = [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url } },
            { type: 'text', text: QUESTION },
          ],
        },
      ];
      const answered = await ask(worker.url, opening);
      const next = [
        ...opening,
        { role: 'assistant', content: answered.text },
        { role: 'user', content: 'And where is it?' },
      ];
      const followed = await ask(worker.url, next);
      // The first chat finds a cold isolate.
      if (chat > 0) {
        first.push(answered);
        second.push(followed);
      }
    }
    const median = (turns: Turn[]): number =>
      percentile(
        turns.map(({ firstTokenMs }) => firstTokenMs),
        0.5,
      );
    const secondBytes = second.reduce((sum, { wire }) => sum + Number(/;bytes=(\d+)/.exec(wire)?.[1]), 0);
    const report = { firstMs: median(first), secondMs: median(second), secondBytes };
    console.log(
      `${chats} chats of two turns about a picture of 1024 tokens, first token at the median: ` +
        `${report.firstMs.toFixed(0)} ms (${first[0]?.wire}), then ${report.secondMs.toFixed(0)} ms (${second[0]?.wire}): ` +
        `${(report.secondMs / report.firstMs).toFixed(2)} × (asked for: 0.30 at most)`,
    );
    return report;
  } finally {
    await Promise.all([worker.stop(), endpoint.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(base: string, messages: object[]): Promise<Turn> {
  const body = JSON.stringify({ model: MODEL, stream: true, temperature: 0, max_tokens: 16, messages });
  const startMs = performance.now();
  const response = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  let [all, firstTokenMs] = ['', Number.NaN];
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    all += piece;
    if (Number.isNaN(firstTokenMs) && /"content":"[^"]/.test(all)) {
      firstTokenMs = performance.now() - startMs;
    }
  }
  if (!all.includes('data: [DONE]')) {
    throw new Error(`no whole answer: ${all.slice(0, 500)}`);
  }
  const text = [...all.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, json = '""']) => JSON.parse(json) as string);
  return { firstTokenMs, text: text.join(''), wire: response.headers.get('x-vora-wire') ?? '' };
}

/** A picture like no other. */
async function pictureUrl(seed: number): Promise<string> {
  const data = Uint8Array.from({ length: SIDE_PX * SIDE_PX * 3 }, (_, i) => 128 + 100 * Math.sin(i / (50 + seed)));
  const png = await encodePng({ width: SIDE_PX, height: SIDE_PX, data });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}
