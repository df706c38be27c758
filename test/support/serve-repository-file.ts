import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** `http://files/test/fixtures/x.bin` → that file of the repository; 404 where there is none. */
export async function serveRepositoryFile(request: { url: string }): Promise<Response> {
  try {
    return new Response(await readFile(join(ROOT, new URL(request.url).pathname)));
  } catch {
    return new Response(null, { status: 404 });
  }
}
