import { describe, expect, it } from 'vitest';
import {
  completion,
  finishChunk,
  model,
  modelList,
  roleChunk,
  textChunk,
  usageChunk,
} from '../../../src/core/protocol/chat-response.ts';

const identity = { id: 'chatcmpl-1', created: 5, model: 'm' };
const usage = { promptTokens: 3, completionTokens: 4 };
const wireUsage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };

describe('response builders', () => {
  it('build a completion with every required key', () => {
    expect(completion(identity, { text: 'hi', finishReason: 'length', usage })).toEqual({
      ...identity,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'hi', refusal: null },
          finish_reason: 'length',
          logprobs: null,
        },
      ],
      usage: wireUsage,
    });
  });

  it('build chunks that share identity, with usage only when asked', () => {
    const plain = { includeUsage: false };
    const counted = { includeUsage: true };
    const chunk = { ...identity, object: 'chat.completion.chunk' };
    expect(roleChunk(identity, plain)).toEqual({
      ...chunk,
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null, logprobs: null }],
    });
    expect(textChunk(identity, 'x', counted)).toEqual({
      ...chunk,
      choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null, logprobs: null }],
      usage: null,
    });
    expect(finishChunk(identity, 'stop', plain).choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(usageChunk(identity, usage)).toEqual({ ...chunk, choices: [], usage: wireUsage });
  });

  it('leave nothing of a wider identity object behind', () => {
    const wider = { ...identity, secret: 1 };
    expect(textChunk(wider, 'x', { includeUsage: false })).not.toHaveProperty('secret');
  });

  it('list models', () => {
    const entry = { id: 'm', object: 'model', created: 5, owned_by: 'vora' };
    expect(modelList([model('m', 5)])).toEqual({ object: 'list', data: [entry] });
  });
});
