import type { ChatMessage, ContentPart } from './chat-message.ts';
import type { Video } from './video.ts';

/**
 * The parts of message `m` with frames in the place of each video. VoRA's reference shows them as images with their seconds
 * between (data_module/processor.py, `add_vision_placeholders_in_prompt`), so that each is an image run of its own; one
 * frame alone is an image. What then no longer stands where the client put it says where that was.
 */
export function showVideos(parts: readonly (ContentPart | Video)[], m: number): ContentPart[] {
  if (!parts.some(({ type }) => type === 'video')) {
    return parts.filter((part) => part.type !== 'video');
  }
  return parts.flatMap((part, p): ContentPart[] => {
    const place = `messages[${m}].content[${p}]`;
    switch (part.type) {
      case 'video':
        return showFrames(part, place);
      case 'image_url':
        return [{ ...part, field: `${place}.image_url.url` }];
      case 'text':
      case 'image_embeds':
      case 'stored_image':
        return [part];
    }
  });
}

function showFrames({ frames }: Video, place: string): ContentPart[] {
  const images = frames.map(({ url, field }): ContentPart => ({
    type: 'image_url',
    url,
    detail: 'auto',
    field: `${place}.${field}`,
  }));
  if (images.length === 1) {
    return images;
  }
  const stamped = images.flatMap((image, i): ContentPart[] => [
    { type: 'text', text: `${i === 0 ? '' : '; '}${i + 1}s: ` },
    image,
  ]);
  return [...stamped, { type: 'text', text: '; \n' }];
}

/** A field of a chat as a model server got it, by the name that it has for the client: there a video is many parts. */
export function clientField(messages: readonly ChatMessage[], field: string): string {
  const [, m = '', p = ''] = /^messages\[(\d+)\]\.content\[(\d+)\]/.exec(field) ?? [];
  const parts = messages[Number(m)]?.content ?? [];
  const part = parts[Number(p)];
  const moved = parts.some((one) => one.type === 'image_url' && one.field !== undefined);
  if (p === '' || !moved) {
    return field;
  }
  return (part?.type === 'image_url' ? part.field : undefined) ?? `messages[${m}].content`;
}
