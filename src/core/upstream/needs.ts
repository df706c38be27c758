import { type ChatRequest, partPath } from '../protocol/chat-request.ts';
import type { Capability, Needs } from './capability.ts';

/** What a request needs of a model server, each with the path of the field that asks for it. */
export function needsOf(chat: ChatRequest): Needs {
  const image = firstImage(chat);
  const needs: [Capability, string | null][] = [
    ['images', image],
    ['usage', chat.includeUsage ? 'stream_options.include_usage' : null],
    ['seed', chat.seed === undefined ? null : 'seed'],
    ['stop', chat.stop.length === 0 ? null : 'stop'],
    ['top_k', chat.topK === undefined ? null : 'top_k'],
  ];
  return new Map(needs.flatMap(([capability, param]) => (param === null ? [] : [[capability, param]])));
}

function firstImage({ messages }: ChatRequest): string | null {
  for (const [m, { content }] of messages.entries()) {
    const p = content.findIndex(({ type }) => type !== 'text');
    if (p >= 0) {
      return partPath(m, p);
    }
  }
  return null;
}
