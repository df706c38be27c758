import type { ChatRequest } from '../src/core/protocol/chat-request.ts';
import type { Tally } from './ledger.ts';
import type { Trace } from './trace.ts';
import type { Upstream } from './upstream-config.ts';

/** One call of a model as OpenTelemetry's GenAI conventions describe it: span `chat MODEL` with `gen_ai.*` attributes. */
export interface ChatSpan {
  /** @param afterMs since the call. */
  firstToken(afterMs: number): void;
  /** The first call counts. @param errorType why there is no whole answer, or null. */
  end(tally: Tally, errorType: string | null): void;
}

/** Opened when the call goes out. Beside it `upstream first token` lasts until the first text. */
export function openChatSpan(
  trace: Trace,
  chat: ChatRequest,
  { name, serves }: Pick<Upstream, 'name' | 'serves'>,
  responseId: string,
): ChatSpan {
  const span = trace.open(`chat ${chat.model}`, {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'vora',
    'gen_ai.output.type': chat.format === undefined ? 'text' : 'json',
    'gen_ai.request.model': chat.model,
    'gen_ai.request.stream': chat.stream,
    'gen_ai.request.choice.count': chat.choices,
    'gen_ai.request.max_tokens': chat.maxTokens,
    'gen_ai.request.temperature': chat.temperature,
    'gen_ai.request.top_p': chat.topP,
    'gen_ai.request.top_k': chat.topK,
    'gen_ai.request.frequency_penalty': chat.frequencyPenalty,
    'gen_ai.request.presence_penalty': chat.presencePenalty,
    'gen_ai.request.seed': chat.seed,
    'gen_ai.response.id': responseId,
    'gen_ai.response.model': serves,
    'vora.upstream': name,
  });
  const waiting = trace.open('upstream first token', { 'gen_ai.request.model': chat.model, 'vora.upstream': name });
  let open = true;
  let waited = false;
  const stopWaiting = (errorType?: string): void => {
    if (!waited) {
      waited = true;
      waiting.end(errorType);
    }
  };
  return {
    firstToken(afterMs) {
      span.set({ 'gen_ai.response.time_to_first_chunk': afterMs / 1000 });
      stopWaiting();
    },
    end({ finishReasons, usage }, errorType) {
      if (!open) {
        return;
      }
      open = false;
      stopWaiting(errorType ?? undefined);
      span.set({
        // The convention's type is a list of strings; a span attribute holds one string.
        'gen_ai.response.finish_reasons': finishReasons.length === 0 ? undefined : finishReasons.join(),
        'gen_ai.usage.input_tokens': usage?.promptTokens,
        'gen_ai.usage.output_tokens': usage?.completionTokens,
      });
      span.end(errorType ?? undefined);
    },
  };
}
