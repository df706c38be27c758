import { type ChatRequest, imagePath } from '../protocol/chat-request.ts';
import { featuresOf } from '../protocol/request-feature.ts';
import type { Capability, Needs } from './capability.ts';

/** What a request needs of a model server, each with the path of the field that asks for it. */
export function needsOf(chat: ChatRequest): Needs {
  const image = firstImage(chat);
  return new Map<Capability, string>([
    ...(image === null ? [] : [['images', image] as const]),
    ...(chat.includeUsage ? [['usage', 'stream_options.include_usage'] as const] : []),
    ...featuresOf(chat),
  ]);
}

function firstImage({ messages }: ChatRequest): string | null {
  for (const [m, { content }] of messages.entries()) {
    for (const [p, part] of content.entries()) {
      if (part.type !== 'text') {
        return imagePath(part, m, p);
      }
    }
  }
  return null;
}
