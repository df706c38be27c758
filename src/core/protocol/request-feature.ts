import type { ChatRequest } from './chat-request.ts';
import { RequestError } from './failure.ts';

/** What a request may ask for beyond text, images and the usual sampling, and what a model server may lack. */
export const FEATURES = [
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'json_object',
  'json_schema',
  'logprobs',
  'n',
  'seed',
  'stop',
  'top_k',
  'logit_bias',
  'frequency_penalty',
  'presence_penalty',
] as const;

export type Feature = (typeof FEATURES)[number];

/** The features that a request uses, each with the path of the field that asks for it. */
export function featuresOf(chat: ChatRequest): ReadonlyMap<Feature, string> {
  const toolMessage = chat.messages.findIndex(({ role }) => role === 'tool');
  // `tool_choice` is the forced kind: `auto` is what tools mean by themselves, and `none` asks for nothing.
  const forced = chat.toolChoice === 'required' || typeof chat.toolChoice === 'object';
  const used: [Feature, string, boolean][] = [
    ['tools', chat.tools === undefined ? `messages[${toolMessage}].role` : 'tools', usesTools(chat)],
    ['tool_choice', 'tool_choice', forced],
    ['parallel_tool_calls', 'parallel_tool_calls', chat.parallelToolCalls === false],
    ['json_object', 'response_format', chat.format?.type === 'json_object'],
    ['json_schema', 'response_format', chat.format?.type === 'json_schema'],
    ['logprobs', 'logprobs', chat.topLogprobs !== undefined],
    ['n', 'n', chat.choices !== undefined],
    ['seed', 'seed', chat.seed !== undefined],
    ['stop', 'stop', chat.stop.length > 0],
    ['top_k', 'top_k', chat.topK !== undefined],
    ['logit_bias', 'logit_bias', chat.logitBias !== undefined],
    ['frequency_penalty', 'frequency_penalty', chat.frequencyPenalty !== undefined],
    ['presence_penalty', 'presence_penalty', chat.presencePenalty !== undefined],
  ];
  return new Map(used.filter(([, , isUsed]) => isUsed).map(([feature, param]) => [feature, param]));
}

/**
 * Refuses a request for what cannot be done, rather than answer without it.
 *
 * @throws RequestError `invalid-request` with code `unsupported_parameter`, naming the first such field.
 */
export function requireFeatures(chat: ChatRequest, supported: ReadonlySet<Feature>): void {
  for (const [feature, param] of featuresOf(chat)) {
    if (!supported.has(feature)) {
      throw unsupportedFeature(feature, param);
    }
  }
}

/** @param what a feature, or anything else that a model server may lack. */
export function unsupportedFeature(what: string, param: string): RequestError {
  const message = `${param}: this model is served without '${what}'`;
  return new RequestError({ kind: 'invalid-request', param, message, code: 'unsupported_parameter' });
}

/** Offered now, or called and answered earlier in the conversation. */
function usesTools({ tools, messages }: ChatRequest): boolean {
  return tools !== undefined || messages.some(({ role }) => role === 'tool');
}
