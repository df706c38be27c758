import { MalformedFile } from '../src/core/bytes/malformed-file.ts';
import { BUNDLE_GRAPH_MAX_BYTES, BUNDLE_MANIFEST_MAX_BYTES } from '../src/core/limits.ts';
import { isSeeing, MANIFEST_FILE, manifestSchema, type SeeingManifest } from '../src/core/model/manifest.ts';
import { RequestError } from '../src/core/protocol/failure.ts';
import { keepResult } from './keep-result.ts';
import { declaredLength, readLimited } from './read-body.ts';

/** Name of the patch embedding in an edge bundle. */
export const PATCH_EMBED_FILE = 'patch_embed.onnx';

/** Where the files of a bundle are read from; null where there is no such file, or it is larger than `limitBytes`. */
export interface BundleFiles {
  read(path: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** What `vora export edge` wrote. Every failure is a `misconfigured` RequestError: no client can cause one. */
export interface Bundle {
  /** Read once per isolate. */
  manifest(): Promise<SeeingManifest>;
  /** The patch embedding, checked against the manifest's sha256. Not kept: its one reader keeps the session it becomes. */
  graph(): Promise<Uint8Array<ArrayBuffer>>;
}

/** A bundle under a key prefix of an R2 bucket. */
export function r2Files(bucket: R2Bucket, prefix: string): BundleFiles {
  return {
    async read(path, limitBytes) {
      const object = await bucket.get(prefix + path);
      return object === null ? null : readLimited(object.body, object.size, limitBytes);
    },
  };
}

/** A bundle deployed among the worker's static assets. */
export function assetFiles(assets: Pick<Fetcher, 'fetch'>, prefix = ''): BundleFiles {
  return {
    async read(path, limitBytes) {
      const response = await assets.fetch(`https://assets.invalid/${prefix}${path}`);
      if (response.status !== 200) {
        await response.body?.cancel();
        return null;
      }
      return readLimited(response.body, declaredLength(response.headers), limitBytes);
    },
  };
}

export function openBundle(files: BundleFiles): Bundle {
  const manifest = keepResult(async () =>
    parseManifest(await readFile(files, MANIFEST_FILE, BUNDLE_MANIFEST_MAX_BYTES)),
  );
  return {
    manifest,
    async graph() {
      const { artifacts } = await manifest();
      const bytes = await readFile(files, PATCH_EMBED_FILE, BUNDLE_GRAPH_MAX_BYTES);
      const expected = artifacts.find(({ path }) => path === PATCH_EMBED_FILE)?.sha256;
      const found = hex(await crypto.subtle.digest('SHA-256', bytes));
      if (found !== expected) {
        throw broken(PATCH_EMBED_FILE, `sha256 ${found}`, expected ?? 'an entry in vora.json');
      }
      return bytes;
    },
  };
}

async function readFile(files: BundleFiles, path: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await files.read(path, limitBytes);
  if (bytes === null) {
    throw broken(path, 'no such file', `a file of at most ${limitBytes} bytes; see BUNDLE_SOURCE`);
  }
  return bytes;
}

function parseManifest(bytes: Uint8Array): SeeingManifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw broken(MANIFEST_FILE, 'bytes that are not JSON', 'a manifest by vora export edge');
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw broken(
      `${MANIFEST_FILE} ${issue?.path.join('.') ?? ''}`,
      issue?.message ?? 'another shape',
      'format version 1',
    );
  }
  if (parsed.data.kind !== 'edge') {
    throw broken(MANIFEST_FILE, `a bundle of kind ${parsed.data.kind}`, 'edge');
  }
  if (!isSeeing(parsed.data)) {
    throw broken(`${MANIFEST_FILE} vision`, 'null, a model of text only', 'a model that sees');
  }
  return parsed.data;
}

function broken(place: string, found: string, expected: string): RequestError {
  const { message } = new MalformedFile('edge bundle', place, found, expected);
  return new RequestError({ kind: 'misconfigured', message });
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
