import type { AnswerFormat } from '../src/core/protocol/answer-format.ts';
import type { ChatMessage, ContentPart } from '../src/core/protocol/chat-message.ts';
import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import type { FunctionTool, ToolCall, ToolChoice } from '../src/core/protocol/tool.ts';

/**
 * A parsed request in OpenAI's words again, as upstream takes it; fields that are undefined are not written. Usage is
 * always asked for: it shows whether upstream saw the images.
 *
 * @param imagePart the wire form of an image part; called in the order of the parts.
 */
export function upstreamFields(
  chat: ChatRequest,
  model: string,
  imagePart: (part: Exclude<ContentPart, { type: 'text' }>) => object,
): object {
  return {
    model,
    messages: chat.messages.map((message) => wireMessage(message, imagePart)),
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: chat.maxTokens,
    temperature: chat.temperature,
    top_p: chat.topP,
    top_k: chat.topK,
    seed: chat.seed,
    stop: chat.stop.length === 0 ? undefined : chat.stop,
    n: chat.choices,
    logprobs: chat.topLogprobs === undefined ? undefined : true,
    top_logprobs: chat.topLogprobs,
    frequency_penalty: chat.frequencyPenalty,
    presence_penalty: chat.presencePenalty,
    logit_bias: chat.logitBias === undefined ? undefined : Object.fromEntries(chat.logitBias),
    response_format: chat.format === undefined ? undefined : wireFormat(chat.format),
    tools: chat.tools?.map(wireTool),
    tool_choice: chat.toolChoice === undefined ? undefined : wireChoice(chat.toolChoice),
    parallel_tool_calls: chat.parallelToolCalls,
  };
}

function wireMessage(
  message: ChatMessage,
  imagePart: (part: Exclude<ContentPart, { type: 'text' }>) => object,
): object {
  const { role } = message;
  const content = message.content.map((part) => (part.type === 'text' ? part : imagePart(part)));
  switch (message.role) {
    case 'tool':
      return { role, tool_call_id: message.toolCallId, content: textOf(message) };
    case 'assistant':
      return message.toolCalls === undefined
        ? { role, content }
        : {
            role,
            content: message.content.length === 0 ? null : textOf(message),
            tool_calls: message.toolCalls.map(wireCall),
          };
    case 'system':
    case 'user':
      return { role, content };
  }
}

/** Beside tool calls many servers' templates know content as a string only; such messages hold nothing but text. */
function textOf({ content }: ChatMessage): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function wireCall({ id, name, arguments: json }: ToolCall): object {
  return { id, type: 'function', function: { name, arguments: json } };
}

function wireTool({ name, description, parameters, strict }: FunctionTool): object {
  return { type: 'function', function: { name, description, parameters, strict: strict ? true : undefined } };
}

function wireChoice(choice: ToolChoice): string | object {
  return typeof choice === 'string' ? choice : { type: 'function', function: choice };
}

function wireFormat(format: AnswerFormat): object {
  if (format.type === 'json_object') {
    return { type: format.type };
  }
  const { type, name, description, schema, strict } = format;
  return { type, json_schema: { name, description, schema, strict: strict ? true : undefined } };
}
