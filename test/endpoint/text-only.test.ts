import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createRandom } from '../../src/endpoint/random.ts';
import { startEndpoint } from '../../src/endpoint/start.ts';
import { BASE, tempFolder } from '../support/checkpoint-folder.ts';
import { loraTensors, writeAdapter } from '../support/peft-folder.ts';
import { runInProcess } from '../support/run-cli.ts';

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

it('a plain model with a PEFT adapter is exported and served in two commands; images are refused by name', async () => {
  const module = 'model.layers.0.self_attn.q_proj';
  const adapter = await writeAdapter(loraTensors(createRandom(1), [[module, [128, 128]]]));
  const model = join(await tempFolder(), 'onnx');
  const made = await runInProcess('export', 'onnx', '--base', BASE, '--adapter', adapter, '--out', model);
  expect(made.code).toBe(0);

  const endpoint = await startEndpoint({ model, host: '127.0.0.1', port: 0 });
  onTestFinished(() => endpoint.stop());
  const ask = (content: unknown): Promise<Response> =>
    fetch(`${endpoint.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'adapter', max_tokens: 3, messages: [{ role: 'user', content }] }),
    });

  const text = await ask('A literal <image> is text here.');
  expect(text.status).toBe(200);
  expect(await text.json()).toMatchObject({ usage: { completion_tokens: 3 } });
  const image = await ask([
    { type: 'text', text: 'What?' },
    { type: 'image_url', image_url: { url: PIXEL } },
  ]);
  expect(image.status).toBe(415);
  expect(await image.json()).toMatchObject({
    error: { message: 'This model reads text only; found an image', param: 'messages[0].content[1]' },
  });
});
