import { REQUEST_BODY_MAX_BYTES } from '../src/core/limits.ts';
import { responsesForm } from '../src/core/protocol/responses-answer.ts';
import { parseResponsesRequest } from '../src/core/protocol/responses-request.ts';
import { answerChat, startLoading } from './chat-completions.ts';
import type { Deps } from './deps.ts';
import { consumeJson } from './read-body.ts';
import type { RequestContext } from './request-context.ts';

/** POST /v1/responses: asked as a chat, answered as a response. */
export async function responses(deps: Deps, context: RequestContext): Promise<Response> {
  startLoading(deps, context);
  const { chat, echo, inputOffset } = parseResponsesRequest(consumeJson(await context.receive(REQUEST_BODY_MAX_BYTES)));
  return answerChat({ chat, form: responsesForm(echo, inputOffset, deps.unixSeconds) }, deps, context);
}
