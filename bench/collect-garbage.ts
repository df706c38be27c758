import { openInspector } from './inspector-session.ts';

/**
 * Has every isolate behind workerd's inspector collect its garbage, so that what is resident afterwards is held: workerd's
 * engine knows of no limit here and takes its time, where Cloudflare's has 128 MB.
 */
export async function collectGarbage(inspector: URL): Promise<void> {
  const list = await fetch(new URL('/json', inspector.href.replace(/^ws/, 'http')));
  const isolates = (await list.json()) as { id: string }[];
  // workerd finds no name with a `#`; such an isolate only hands requests over to the process that started it.
  for (const { id } of isolates.filter((isolate) => !isolate.id.includes('#'))) {
    const session = await openInspector(new URL(`./${id}`, inspector));
    // Whoever searches for objects has garbage collected first; workerd never answers `HeapProfiler.collectGarbage`.
    await session.memories();
    session.close();
  }
}
