import { expect, inject, it } from 'vitest';
import { createApp } from '../../../src/endpoint/app.ts';
import { loadArtifact } from '../../../src/endpoint/load-artifact.ts';
import { createTurnstile } from '../../../src/endpoint/turnstile.ts';
import { errorResponse } from '../../support/openai-wire.ts';
import { TOOLS } from '../../support/tools.ts';

const ASK = { role: 'user', content: 'x' };
const CALL = {
  role: 'assistant',
  tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
};

it.each<[object, string]>([
  [{ tools: TOOLS }, 'tools'],
  [{ tools: TOOLS, tool_choice: 'required' }, 'tools'],
  [{ messages: [ASK, CALL, { role: 'tool', tool_call_id: 'a', content: 'y' }] }, 'messages[2].role'],
])('a model whose template knows no tools refuses %j by %s', async (body, param) => {
  const artifact = { ...(await loadArtifact(inject('artifacts').onnx)), toolSyntax: null };
  const neverAsked = (): never => {
    throw new Error('a request that should have been refused');
  };
  const engine = { add: neverAsked, abortAll: neverAsked, idle: neverAsked, counts: neverAsked };
  const app = createApp(
    { artifact, images: null, engine, grammars: neverAsked, reading: createTurnstile(1) },
    { created: 1 },
  );
  const response = await app.request('/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify({ model: 'vora-random', messages: [ASK], ...body }),
  });
  expect(response.status).toBe(400);
  const { error } = errorResponse.parse(await response.json());
  expect(error).toMatchObject({ param, code: 'unsupported_parameter' });
});
