import { describe, expect, it } from 'vitest';
import { IMAGES_PER_REQUEST_MAX, VIDEO_FRAMES_MAX } from '../../../src/core/limits.ts';
import { parseChatRequest } from '../../../src/core/protocol/chat-request.ts';
import { RequestError } from '../../../src/core/protocol/failure.ts';
import { clientField } from '../../../src/core/protocol/show-videos.ts';

const FRAMES = ['https://example.com/1.jpg', 'data:image/png;base64,AA=='];
const IMAGE = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
const TEXT = { type: 'text', text: 'What happens?' };
const video = (frames: unknown = FRAMES) => ({ type: 'video', video: frames });

function parts(...content: object[]) {
  const { messages } = parseChatRequest({ model: 'm', messages: [{ role: 'user', content }] }, { parts: 'client' });
  return messages[0]?.content ?? [];
}

function refusal(...content: object[]): { param: unknown; message: string } {
  try {
    parts(...content);
  } catch (error) {
    if (error instanceof RequestError && 'param' in error.failure) {
      return { param: error.failure.param, message: error.message };
    }
  }
  throw new Error('the request was accepted');
}

const shown = (content: ReturnType<typeof parts>) =>
  content.map((part) => (part.type === 'image_url' ? `<${part.url}>` : part.type === 'text' ? part.text : part.type));

describe('a video', () => {
  // add_vision_placeholders_in_prompt of VoRA's data_module/processor.py: "{i}s: ", the image, "; ", and a line's end.
  it('is its frames with their seconds between, as the reference writes them', () => {
    const [first = '', second = ''] = FRAMES;
    expect(shown(parts(video(), TEXT)).join('')).toBe(`1s: <${first}>; 2s: <${second}>; \nWhat happens?`);
    expect(shown(parts(TEXT, video())).join('')).toBe(`What happens?1s: <${first}>; 2s: <${second}>; \n`);
  });

  it('of one frame is an image', () => {
    expect(shown(parts(video(FRAMES.slice(0, 1)), TEXT))).toEqual([`<${FRAMES[0]}>`, TEXT.text]);
  });

  it('may come as vLLM takes it, JPEGs in one data URL', () => {
    const listed = video(['data:image/jpeg;base64,/9j/', 'data:image/jpeg;base64,AAAA']);
    const joined = { type: 'video_url', video_url: { url: 'data:video/jpeg;base64,/9j/,AAAA' } };
    expect(shown(parts(joined, TEXT))).toEqual(shown(parts(listed, TEXT)));
  });

  it('comes at one frame a second, which a client may say', () => {
    expect(parts({ ...video(), fps: 1 })).toEqual(parts(video()));
    expect(refusal({ ...video(), fps: 2 })).toMatchObject({ param: 'messages[0].content[0].fps' });
  });

  it('leaves each picture its name in the client’s terms', () => {
    const messages = [{ role: 'user' as const, content: parts(TEXT, video(), IMAGE) }];
    const fields = messages[0]?.content.flatMap((part) => (part.type === 'image_url' ? [part.field] : []));
    expect(fields).toEqual([
      'messages[0].content[1].video[0]',
      'messages[0].content[1].video[1]',
      'messages[0].content[2].image_url.url',
    ]);
    // A model server counts the frames as parts.
    const sent = (index: number) => clientField(messages, `messages[0].content[${index}].image_url.url`);
    expect([sent(2), sent(4), sent(6)]).toEqual(fields);
    expect(sent(1)).toBe('messages[0].content');
    expect(clientField(messages, 'max_tokens')).toBe('max_tokens');
    const plain = [{ role: 'user' as const, content: parts(TEXT, IMAGE) }];
    expect(clientField(plain, 'messages[0].content[1].image_url.url')).toBe('messages[0].content[1].image_url.url');
    expect(JSON.stringify(plain)).not.toContain('field');
  });

  it.each([
    ['a file by its URL', video('https://example.com/a.mp4'), 'video'],
    ['a file in vLLM’s form', { type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }, 'video_url.url'],
    ['a file as data', { type: 'video_url', video_url: { url: 'data:video/mp4;base64,AAAA' } }, 'video_url.url'],
  ])('is refused as %s, with what to send', (_, part, field) => {
    const { param, message } = refusal(part);
    expect(param).toBe(`messages[0].content[0].${field}`);
    expect(message).toMatch(/no video file is taken; send up to 8 frames as images/);
  });

  it.each([
    ['no frames', video([]), 'video'],
    ['an empty URL', video(['']), 'video[0]'],
    ['more than a number', video([5]), 'video[0]'],
    ['too many frames', video(Array.from({ length: VIDEO_FRAMES_MAX + 1 }, () => FRAMES[0])), 'video'],
    [
      'too many JPEGs',
      { type: 'video_url', video_url: { url: `data:video/jpeg;base64${',AAAA'.repeat(VIDEO_FRAMES_MAX + 1)}` } },
      'video_url.url',
    ],
    ['a uuid', { ...video(), uuid: 'x' }, 'uuid'],
  ])('is refused with %s', (_, part, field) => {
    expect(refusal(part)).toMatchObject({ param: `messages[0].content[0].${field}` });
  });

  it('counts as so many images', () => {
    const frames = (count: number) => video(Array.from({ length: count }, () => FRAMES[0]));
    const images = Array.from({ length: IMAGES_PER_REQUEST_MAX - 3 }, () => IMAGE);
    expect(parts(...images, frames(3), TEXT)).toHaveLength(IMAGES_PER_REQUEST_MAX + 5);
    expect(refusal(...images, frames(4), TEXT)).toMatchObject({ param: 'messages[0].content[5].video[3]' });
  });
});
