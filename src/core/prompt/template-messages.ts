import { JSON_DEPTH_MAX } from '../limits.ts';
import type { ChatMessage, ContentPart } from '../protocol/chat-message.ts';
import { RequestError } from '../protocol/failure.ts';
import { isDeeper, isJsonObject, type JsonObject } from '../protocol/json-object.ts';
import type { FunctionTool, ToolCall } from '../protocol/tool.ts';
import type { TemplateMessage, TemplatePart, TemplateTool, TemplateToolCall } from './chat-template.ts';
import type { TokenBreaker } from './token-breaker.ts';

/** The arguments of every call in a conversation, as values. */
export type CallArguments = ReadonlyMap<ToolCall, JsonObject>;

/** @throws RequestError naming a call whose arguments are no JSON object, which is all that templates take. */
export function readArguments(messages: readonly ChatMessage[]): CallArguments {
  const values = new Map<ToolCall, JsonObject>();
  for (const [m, message] of messages.entries()) {
    for (const [c, call] of (message.role === 'assistant' ? (message.toolCalls ?? []) : []).entries()) {
      const value = parseJson(call.arguments);
      if (!isJsonObject(value) || isDeeper(value, JSON_DEPTH_MAX)) {
        const param = `messages[${m}].tool_calls[${c}].function.arguments`;
        const message = `${param}: expected a JSON object of at most ${JSON_DEPTH_MAX} levels`;
        throw new RequestError({ kind: 'invalid-request', param, message });
      }
      values.set(call, value);
    }
  }
  return values;
}

/** Messages in the form that chat templates read; what a client wrote is broken where it would steer the model. */
export function templateMessages(
  messages: readonly ChatMessage[],
  values: CallArguments,
  breaker: TokenBreaker,
): TemplateMessage[] {
  const names = new Map<string, string>();
  return messages.map((message): TemplateMessage => {
    const content = templateContent(message.content, breaker);
    switch (message.role) {
      case 'assistant': {
        const calls = (message.toolCalls ?? []).map((call): TemplateToolCall => {
          const { id, name } = call;
          names.set(id, name);
          const given = breaker.splitAll(values.get(call) ?? {});
          return { id: breaker.split(id), type: 'function', function: { name, arguments: given } };
        });
        return { role: 'assistant', content, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
      }
      case 'tool': {
        const id = message.toolCallId;
        return { role: 'tool', content, name: names.get(id) ?? '', tool_call_id: breaker.split(id) };
      }
      case 'system':
      case 'user':
        return { role: message.role, content };
    }
  });
}

export function templateTools(tools: readonly FunctionTool[], breaker: TokenBreaker): TemplateTool[] {
  return tools.map(({ name, description, parameters }) => ({
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description: breaker.split(description) }),
      ...(parameters === undefined ? {} : { parameters: breaker.splitAll(parameters) }),
    },
  }));
}

/** Everything that a client wrote into messages and tools, as the template will show it. */
export function writtenTexts(
  messages: readonly ChatMessage[],
  values: CallArguments,
  tools: readonly FunctionTool[],
): string[] {
  return [
    ...messages.flatMap((message) => [
      ...message.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
      ...(message.role === 'tool' ? [message.toolCallId] : []),
    ]),
    ...[...values].flatMap(([{ id }, value]) => [id, JSON.stringify(value)]),
    ...tools.flatMap(({ description, parameters }) => [description ?? '', JSON.stringify(parameters ?? {})]),
  ];
}

function templateContent(content: readonly ContentPart[], breaker: TokenBreaker): TemplateMessage['content'] {
  const parts = joinTexts(content).map((part): TemplatePart =>
    part.type === 'text' ? { type: 'text', text: breaker.split(part.text) } : { type: 'image' },
  );
  // Templates of text models know content as a string only; those that know parts treat both the same.
  const [first] = parts;
  if (first === undefined) {
    return '';
  }
  return parts.length === 1 && first.type === 'text' ? first.text : parts;
}

/** Texts side by side become one, since `<|im_` and `end|>` are harmless only until the template puts them together. */
function joinTexts(content: readonly ContentPart[]): ContentPart[] {
  const joined: ContentPart[] = [];
  for (const part of content) {
    const last = joined.at(-1);
    if (part.type === 'text' && last?.type === 'text') {
      joined[joined.length - 1] = { type: 'text', text: last.text + part.text };
    } else {
      joined.push(part);
    }
  }
  return joined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
