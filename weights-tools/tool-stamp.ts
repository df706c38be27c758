import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** Who wrote an artifact, for its manifest. */
export async function toolStamp(): Promise<{ tool: string; toolVersion: string }> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { name, version } = z.object({ name: z.string(), version: z.string() }).parse(JSON.parse(text));
  return { tool: name, toolVersion: version };
}
