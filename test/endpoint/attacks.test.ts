import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ENDPOINT_BODY_MAX_BYTES } from '../../src/core/limits.ts';
import type { OpenAIError } from '../../src/core/protocol/failure.ts';
import { loadSeeingArtifact, type SeeingArtifact } from '../support/seeing-artifact.ts';
import { type RunningEndpoint, startEndpoint } from '../../src/endpoint/start.ts';
import { imageEmbeds } from '../support/image-embeds.ts';
import { encodePng } from '../support/png.ts';

const KEY = 'sk-a-key-for-the-tests';

let endpoint: RunningEndpoint;
let artifact: SeeingArtifact;

beforeAll(async () => {
  const model = inject('artifacts').onnx;
  artifact = await loadSeeingArtifact(model);
  endpoint = await startEndpoint({ model, host: '127.0.0.1', port: 0, apiKey: KEY });
});

afterAll(() => endpoint?.stop(0));

interface Ask {
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  method?: string;
  path?: string;
}

async function ask({ body, headers = {}, method = 'POST', path = '/v1/chat/completions' }: Ask): Promise<unknown[]> {
  const response = await fetch(endpoint.url + path, {
    method,
    headers: { authorization: `Bearer ${KEY}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const { error } = (await response.json()) as OpenAIError;
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(response.headers.get('x-request-id')).not.toBeNull();
  return [response.status, error.code, error.param, error.message];
}

function askAbout(part: object, headers: Record<string, string> = {}): Promise<unknown[]> {
  return ask({ body: chat({ messages: [{ role: 'user', content: [part] }] }), headers });
}

function chat(changes: object): string {
  return JSON.stringify({
    model: 'vora-random',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 1,
    ...changes,
  });
}

function form(schema: object): Ask {
  return { body: chat({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }) };
}

describe('requests that are no chat', () => {
  it.each<[string, Ask, unknown[]]>([
    ['no JSON', { body: '{"model":' }, [400, null, null]],
    ['no body', { method: 'POST' }, [400, null, null]],
    ['no UTF-8', { body: Uint8Array.of(0x22, 0xff, 0x22) }, [400, null, null]],
    ['no object', { body: '7' }, [400, null, null]],
    ['deep JSON', { body: '['.repeat(1_000_000) + ']'.repeat(1_000_000) }, [400, null, null]],
    [
      'deep JSON in a field',
      { body: chat({ messages: 0 }).replace('0', '[{"role":'.repeat(200_000) + '0' + '}]'.repeat(200_000)) },
      [400, null, 'messages[0].role'],
    ],
    ['another model', { body: chat({ model: 'gpt-5' }) }, [404, 'model_not_found', 'model']],
    ['more answers than it has places for', { body: chat({ n: 18 }) }, [400, null, 'n']],
    [
      'a schema nested to the stack’s end',
      {
        body: chat({ tools: 0 }).replace(
          '"tools":0',
          `"tools":[{"type":"function","function":{"name":"f","parameters":${'{"items":'.repeat(100_000)}{}${'}'.repeat(100_000)}}}]`,
        ),
      },
      [400, null, 'tools[0].function.parameters'],
    ],
    [
      'arguments nested to the stack’s end',
      {
        body: chat({
          messages: [
            {
              role: 'assistant',
              tool_calls: [
                {
                  id: 'a',
                  type: 'function',
                  function: { name: 'f', arguments: `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}` },
                },
              ],
            },
            { role: 'tool', tool_call_id: 'a', content: 'x' },
          ],
        }),
      },
      [400, null, 'messages[0].tool_calls[0].function.arguments'],
    ],
    [
      'a pattern that grows beyond bounds',
      form({ type: 'string', pattern: '(a|b)*a(a|b){40}' }),
      [400, 'unsupported_parameter', 'response_format.json_schema.schema.pattern'],
    ],
    [
      'an object that must hold itself',
      form({ properties: { a: { $ref: '#' } }, required: ['a'] }),
      [400, 'unsupported_parameter', 'response_format.json_schema.schema'],
    ],
    [
      'a huge list of values',
      form({ enum: Array.from({ length: 5000 }, (_, i) => i) }),
      [400, 'unsupported_parameter', 'response_format.json_schema.schema'],
    ],
    [
      'a schema of another kind',
      form({ type: 'string', format: 'binary' }),
      [400, 'unsupported_parameter', 'response_format.json_schema.schema.format'],
    ],
    ['an endless answer', { body: chat({ max_tokens: 1e300 }) }, [400, null, 'max_tokens']],
    ['a negative temperature', { body: chat({ temperature: -1 }) }, [400, null, 'temperature']],
    ['an empty stop string', { body: chat({ stop: '' }) }, [400, null, 'stop[0]']],
    [
      'text beyond all bounds',
      { body: chat({ messages: [{ role: 'user', content: 'x'.repeat(2_000_000) }] }) },
      [400, null, 'messages'],
    ],
    ['another method', { method: 'GET' }, [405, 'method_not_allowed', null]],
    ['a deleted model', { method: 'DELETE', path: '/v1/models/vora-random' }, [405, 'method_not_allowed', null]],
    ['another path', { method: 'GET', path: '/v1/completions' }, [404, 'not_found', null]],
    ['no key', { headers: { authorization: '' } }, [401, 'invalid_api_key', null]],
    ['another key', { headers: { authorization: `Bearer ${KEY}x` } }, [401, 'invalid_api_key', null]],
  ])('refuses %s', async (_name, attack, expected) => {
    expect(await ask(attack)).toEqual([...expected, expect.any(String)]);
  });

  it('refuses a body that says it is too large, before its first byte', async () => {
    const outgoing = request(`${endpoint.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-length': ENDPOINT_BODY_MAX_BYTES + 1 },
    });
    outgoing.flushHeaders();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(413);
    outgoing.destroy();
  });

  it('still serves, and needs no key to say that it lives', async () => {
    expect(await (await fetch(`${endpoint.url}/health`)).json()).toMatchObject({
      status: 'ok',
      running: 0,
      waiting: 0,
    });
  });
});

describe('images that are none', () => {
  const url = (value: string): object => ({ type: 'image_url', image_url: { url: value } });
  const png = encodePng(3, 3, new Uint8Array(27));
  const AT = 'messages[0].content[0].image_url.url';

  it.each<[string, object, unknown[]]>([
    ['an https URL', url('https://example.com/cat.png'), [400, null, AT]],
    ['a file URL', url('file:///etc/passwd'), [400, null, AT]],
    ['text instead of base64', url('data:image/png,hello'), [400, null, AT]],
    ['broken base64', url('data:image/png;base64,a$bc'), [400, null, AT]],
    ['no bytes', url('data:image/png;base64,'), [415, 'unsupported_image', AT]],
    [
      'another format',
      url(`data:image/png;base64,${Buffer.from('BM......').toString('base64')}`),
      [415, 'unsupported_image', AT],
    ],
    ['a cut PNG', url(`data:image/png;base64,${png.subarray(0, 40).toString('base64')}`), [400, 'invalid_image', AT]],
    [
      'a PNG of 20 000 px that holds nothing',
      url(`data:;base64,${liar(20_000).toString('base64')}`),
      [413, 'image_too_large', AT],
    ],
    ['30 MB', url(`data:;base64,${'A'.repeat(40_000_000)}`), [413, 'image_too_large', AT]],
    [
      'an unknown part',
      { type: 'scent_url', scent_url: { url: 'x' } },
      [400, 'unknown_parameter', 'messages[0].content[0].type'],
    ],
    [
      'a video file',
      { type: 'video_url', video_url: { url: 'data:video/mp4;base64,AAAA' } },
      [400, null, 'messages[0].content[0].video_url.url'],
    ],
  ])('refuses %s', async (_name, part, expected) => {
    expect((await askAbout(part)).slice(0, 3)).toEqual(expected);
  });

  /** A header that promises a square of so many pixels. */
  function liar(edge: number): Buffer {
    const bytes = Buffer.from(png);
    bytes.writeUInt32BE(edge, 16);
    bytes.writeUInt32BE(edge, 20);
    return bytes;
  }
});

describe('pixels that a worker made ready', () => {
  const AT = 'messages[0].content[0].image_url.url';
  const blank = (width: number, height: number): object => {
    const png = encodePng(width, height, new Uint8Array(width * height * 3));
    return { type: 'image_url', image_url: { url: `data:image/png;base64,${png.toString('base64')}` } };
  };
  const status = async (part: object, headers: Record<string, string>): Promise<number> => {
    const response = await fetch(`${endpoint.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      body: chat({ messages: [{ role: 'user', content: [part] }] }),
    });
    return response.status;
  };
  const ready = (): Record<string, string> => ({ 'x-vora-vision': artifact.manifest.vision.sha256 });

  // A bundle and an endpoint of one checkpoint, exported with different image modes.
  it.each([
    [98, 126],
    [448, 448],
  ])('are refused where the model takes another size than %i×%i px', async (width, height) => {
    const [found, code, , message] = await askAbout(blank(width, height), ready());
    expect([found, code]).toEqual([409, 'vision_mismatch']);
    expect(message).toBe(
      `Images were made ready for an input of ${width}×${height} px; this model has an input of 112×112 px`,
    );
    expect(await status(blank(width, height), {})).toBe(200);
  });

  it('are answered where it takes that size, and are looked at like all others', async () => {
    expect(await status(blank(112, 112), ready())).toBe(200);
    const none = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    expect((await askAbout(none, ready())).slice(0, 3)).toEqual([415, 'unsupported_image', AT]);
  });
});

describe('embeddings that fit nothing', () => {
  const AT = 'messages[0].content[0].image_embeds';
  const good = (): Float32Array => new Float32Array(2 * 128).fill(0.5);
  const embeds = (image_embeds: string): object => ({ type: 'image_embeds', image_embeds });
  const vision = (): Record<string, string> => ({ 'x-vora-vision': artifact.manifest.vision.sha256 });

  it('are the only thing wrong: these are answered', async () => {
    const response = await fetch(`${endpoint.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...vision() },
      body: chat({ messages: [{ role: 'user', content: [embeds(imageEmbeds(good(), 128, 'bf16'))] }] }),
    });
    expect(response.status).toBe(200);
  });

  it.each<[string, () => string]>([
    ['another width', () => imageEmbeds(new Float32Array(2 * 64), 64, 'bf16')],
    ['no rows', () => imageEmbeds(new Float32Array(0), 128, 'bf16')],
    ['NaN', () => imageEmbeds(good().fill(NaN, 130, 131), 128, 'f32')],
    ['infinity', () => imageEmbeds(good().fill(-Infinity, 255), 128, 'bf16')],
    ['no base64', () => '%%%%'],
    ['no zip', () => Buffer.from('not a tensor').toString('base64')],
    [
      'a cut zip',
      () =>
        Buffer.from(imageEmbeds(good(), 128, 'bf16'), 'base64')
          .subarray(0, -9)
          .toString('base64'),
    ],
    ['another dtype', () => swap(imageEmbeds(good(), 128, 'f32'), 'FloatStorage', 'LongStorage0')],
    ['code', () => swap(imageEmbeds(good(), 128, 'f32'), '_rebuild_tensor_v2', '_rebuild_tensor_vX')],
  ])('are refused: %s', async (_name, data) => {
    expect((await askAbout(embeds(data()), vision())).slice(0, 3)).toEqual([400, null, AT]);
  });

  it('names the place of a value that is not finite', async () => {
    const [, , , message] = await askAbout(embeds(imageEmbeds(good().fill(NaN, 130, 131), 128, 'f32')), vision());
    expect(message).toBe(`${AT}: found NaN at [1, 2], expected finite values`);
  });

  it.each([
    ['of other vision weights', { 'x-vora-vision': '0'.repeat(64) }],
    ['of vision weights nobody names', {}],
  ])('are refused: %s', async (_name, headers) => {
    const [status, code, , message] = await askAbout(embeds(imageEmbeds(good(), 128, 'bf16')), headers);
    expect([status, code]).toEqual([409, 'vision_mismatch']);
    expect(message).toContain(artifact.manifest.vision.sha256);
  });

  function swap(base64: string, from: string, to: string): string {
    const bytes = Buffer.from(base64, 'base64');
    bytes.write(to, bytes.indexOf(from), 'latin1');
    return bytes.toString('base64');
  }
});
