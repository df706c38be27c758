import { createAdaptorServer } from '@hono/node-server';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  IMAGE_STORE_MAX_BYTES,
  PREFIX_CACHE_DEFAULT_BYTES,
  QUEUE_MAX_SEQUENCES,
  READING_MAX_REQUESTS,
} from '../core/limits.ts';
import { isSeeing } from '../core/model/manifest.ts';
import { createAnswerGrammars } from './answer-grammar.ts';
import { createApp } from './app.ts';
import { createEngine } from './engine.ts';
import { loadImageDecoder } from './image-codecs.ts';
import { createImageReader, type ImageReader } from './image-reader.ts';
import { createImageStore } from './image-store.ts';
import { type Artifact, loadArtifact } from './load-artifact.ts';
import { createModelRunner } from './model-runner.ts';
import { createPatchSession } from './patch-session.ts';
import { createScheduler } from './scheduler.ts';
import { createTurnstile } from './turnstile.ts';

export interface EndpointOptions {
  /** An onnx/ folder. */
  model: string;
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Asked of every /v1 request when given. */
  apiKey?: string;
  /** Keys and values to keep for prompts that begin alike; 0 keeps none. */
  prefixCacheBytes?: number;
}

export interface RunningEndpoint {
  readonly url: string;
  /** Takes no new requests, lets those at work end for up to `drainMs`, fails the rest, frees the model. */
  stop(drainMs?: number): Promise<void>;
}

/** One sequence at a time; a batching runner raises this. */
const MAX_RUNNING = 1;
/** Prompt positions in one run: between runs an aborted prompt is dropped, and the attention bias stays small. */
const PREFILL_TOKENS = 512;
/** Answers that take longer than this to end are cut at shutdown; supervisors kill after 10 to 30 s. */
const DRAIN_MS = 8_000;
/** Time for the error events of answers that were cut. */
const FLUSH_MS = 1_000;
const SWEEP_MS = 50;

/**
 * Loads a model and listens.
 *
 * @throws MalformedFile when the folder is not a finished onnx artifact; Node's error when the address cannot be taken.
 */
export async function startEndpoint({
  model,
  host,
  port,
  apiKey,
  prefixCacheBytes = PREFIX_CACHE_DEFAULT_BYTES,
}: EndpointOptions): Promise<RunningEndpoint> {
  const artifact = await loadArtifact(model);
  const { manifest, tokenizer, graphs } = artifact;
  const runner = await createModelRunner(graphs, manifest, prefixCacheBytes);
  const endTokens = new Set(manifest.llm.eosTokenIds);
  const engine = createEngine({
    scheduler: createScheduler({
      maxRunning: MAX_RUNNING,
      maxWaiting: QUEUE_MAX_SEQUENCES,
      prefillTokens: PREFILL_TOKENS,
      resume: (sequence) => runner.resume(sequence),
    }),
    runner,
    tokenizer,
    endTokens,
  });
  const images = await openImageReader(artifact);
  const grammars = createAnswerGrammars({
    vocabularySize: manifest.llm.vocabSize,
    bytesOf: (id) => tokenizer.bytesOf(id),
    endTokens,
    toolSyntax: artifact.toolSyntax,
  });
  const created = Math.floor(Date.now() / 1000);
  const reading = createTurnstile(READING_MAX_REQUESTS);
  const app = createApp(
    { artifact, images, engine, grammars, reading },
    { created, ...(apiKey === undefined ? {} : { apiKey }) },
  );
  const server = await listen((request) => app.fetch(request), host, port);

  return {
    url: urlOf(server),
    async stop(drainMs = DRAIN_MS) {
      const closed = once(server, 'close');
      server.close();
      // Kept-alive connections would hold the server open; each is closed once its last answer is out.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      await Promise.race([closed, sleep(drainMs, undefined, { ref: false })]);
      engine.abortAll({ kind: 'internal', message: 'The endpoint is shutting down' });
      await Promise.race([closed, sleep(FLUSH_MS, undefined, { ref: false })]);
      clearInterval(sweep);
      server.closeAllConnections();
      await closed;
      await engine.idle();
      await runner.close();
    },
  };
}

/** Null for a model of text only. */
async function openImageReader({ manifest, graphs }: Artifact): Promise<ImageReader | null> {
  if (!isSeeing(manifest) || graphs.patchEmbed === null) {
    return null;
  }
  const embedder = await createPatchSession(graphs.patchEmbed, manifest);
  const store = createImageStore(IMAGE_STORE_MAX_BYTES);
  return createImageReader(manifest, { decoder: await loadImageDecoder(), embedder, store });
}

/** @throws Node's error when the address is taken or not ours. */
async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  host: string,
  port: number,
): Promise<Server> {
  const server = createAdaptorServer({ fetch, createServer, overrideGlobalObjects: false }) as Server;
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
