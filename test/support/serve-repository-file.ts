import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** `http://files/?path=test/fixtures/x.bin` → that file, relative to the repository; 404 where there is none. */
export async function serveRepositoryFile(request: { url: string }): Promise<Response> {
  try {
    return new Response(await readFile(resolve(ROOT, new URL(request.url).searchParams.get('path') ?? '')));
  } catch {
    return new Response(null, { status: 404 });
  }
}
