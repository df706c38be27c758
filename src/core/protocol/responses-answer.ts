import type { AnswerForm, StreamWriter } from './answer-form.ts';
import { addedWords, onlyWords, type ResponseIdentity, type TextFinish, type WireUsage } from './chat-response.ts';
import { inputField, type ResponsesEcho } from './responses-request.ts';
import type {
  OutputMessage,
  OutputText,
  ResponseEventType,
  ResponseObject,
  ResponseUsage,
} from './responses-schema.ts';
import { DONE } from './sse.ts';

/** What is known of an answer at some moment. */
interface Progress {
  status: ResponseObject['status'];
  output: OutputMessage[];
  incompleteReason?: 'max_output_tokens' | 'content_filter';
  usage?: WireUsage | undefined;
  error?: ResponseObject['error'];
}

/**
 * Answers as OpenAI's Responses API writes them (openai-openapi: Response, ResponseStreamEvent).
 *
 * @param inputOffset see {@link ResponsesRequest}.
 * @param unixSeconds for `completed_at`.
 */
export function responsesForm(echo: ResponsesEcho, inputOffset: number, unixSeconds: () => number): AnswerForm {
  const fieldName = (chatField: string): string => inputField(chatField, inputOffset);
  return {
    whole(completion) {
      const { text, finishReason } = onlyWords(completion);
      const progress = ended(completion, text, finishReason, completion.usage);
      return responseObject(completion, echo, progress, unixSeconds());
    },
    stream: (identity) => responsesWriter(identity, echo, unixSeconds, fieldName),
    showsUsage: true,
    fieldName,
  };
}

/**
 * Events with names and running numbers: created, in progress, item and part opened, deltas, part and item closed,
 * completed or incomplete.
 */
function responsesWriter(
  identity: ResponseIdentity,
  echo: ResponsesEcho,
  unixSeconds: () => number,
  fieldName: AnswerForm['fieldName'],
): StreamWriter {
  const place = { item_id: messageId(identity), output_index: 0, content_index: 0 };
  const started: Progress = { status: 'in_progress', output: [] };
  let sequence = 0;
  let text = '';
  let finishReason: TextFinish | null = null;
  let usage: WireUsage | undefined;

  const event = (type: ResponseEventType, fields: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...fields })}\n\n`;
  const response = (progress: Progress, completedAt: number | null = null): object => ({
    response: responseObject(identity, echo, progress, completedAt),
  });
  const created = (): string => (sequence > 0 ? '' : event('response.created', response(started)));
  const opened = (): string =>
    sequence > 0
      ? ''
      : created() +
        event('response.in_progress', response(started)) +
        event('response.output_item.added', { output_index: 0, item: message(identity, 'in_progress', []) }) +
        event('response.content_part.added', { ...place, part: outputText('') });

  return {
    chunk(chunk) {
      const { text: delta, finishReason: reason } = addedWords(chunk);
      text += delta;
      finishReason = reason ?? finishReason;
      usage = chunk.usage ?? usage;
      return opened() + (delta === '' ? '' : event('response.output_text.delta', { ...place, delta, logprobs: [] }));
    },
    done() {
      if (finishReason === null) {
        throw new TypeError('an answer without its end');
      }
      const progress = ended(identity, text, finishReason, usage);
      const { status } = progress;
      return (
        event('response.output_text.done', { ...place, text, logprobs: [] }) +
        event('response.content_part.done', { ...place, part: outputText(text) }) +
        event('response.output_item.done', { output_index: 0, item: progress.output[0] }) +
        event(`response.${status}`, response(progress, unixSeconds())) +
        DONE
      );
    },
    failure({ error: { code, message: words, param: chatField } }) {
      const param = chatField === null ? null : fieldName(chatField);
      const failed: Progress = { status: 'failed', output: [], error: { code: 'server_error', message: words } };
      // Both: `response.failed` is what the API's streams end with, `error` is what SDKs throw for.
      return created() + event('response.failed', response(failed)) + event('error', { code, message: words, param });
    },
  };
}

function ended(
  identity: ResponseIdentity,
  text: string,
  finishReason: TextFinish,
  usage: WireUsage | undefined,
): Progress {
  const status = finishReason === 'stop' ? 'completed' : 'incomplete';
  const output = [message(identity, status, [outputText(text)])];
  return {
    status,
    output,
    usage,
    ...(finishReason === 'length' ? { incompleteReason: 'max_output_tokens' } : {}),
    ...(finishReason === 'content_filter' ? { incompleteReason: 'content_filter' } : {}),
  };
}

function responseObject(
  { id, created, model }: ResponseIdentity,
  echo: ResponsesEcho,
  { status, output, usage, error, incompleteReason }: Progress,
  completedAt: number | null,
): ResponseObject {
  return {
    id: id.replace(/^chatcmpl-/, 'resp_'),
    object: 'response',
    created_at: created,
    completed_at: status === 'completed' ? completedAt : null,
    status,
    background: false,
    error: error ?? null,
    incomplete_details: incompleteReason === undefined ? null : { reason: incompleteReason },
    instructions: echo.instructions,
    max_output_tokens: echo.maxOutputTokens,
    max_tool_calls: null,
    metadata: echo.metadata,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    prompt_cache_key: echo.promptCacheKey,
    reasoning: { effort: null, summary: null },
    safety_identifier: echo.safetyIdentifier,
    service_tier: 'default',
    store: false,
    // null is the model's own default, which the request did not replace.
    temperature: echo.temperature,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: echo.topP,
    truncation: 'disabled',
    ...(usage === undefined ? {} : { usage: responseUsage(usage) }),
    ...(echo.user === null ? {} : { user: echo.user }),
  };
}

function message(identity: ResponseIdentity, status: OutputMessage['status'], content: OutputText[]): OutputMessage {
  return { id: messageId(identity), type: 'message', role: 'assistant', status, content };
}

function messageId({ id }: ResponseIdentity): string {
  return id.replace(/^chatcmpl-/, 'msg_');
}

function outputText(text: string): OutputText {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function responseUsage(usage: WireUsage): ResponseUsage {
  return {
    input_tokens: usage.prompt_tokens,
    input_tokens_details: { cached_tokens: usage.prompt_tokens_details?.cached_tokens ?? 0, cache_write_tokens: 0 },
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.total_tokens,
  };
}
