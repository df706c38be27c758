import { REQUEST_BODY_MAX_BYTES } from '../src/core/limits.ts';
import { responsesForm } from '../src/core/protocol/responses-answer.ts';
import { parseResponsesRequest } from '../src/core/protocol/responses-request.ts';
import { answerChat, startLoading } from './chat-completions.ts';
import type { Deps } from './deps.ts';
import { parseWithPictures } from './enclosed-files.ts';
import type { RequestContext } from './request-context.ts';

/** POST /v1/responses: asked as a chat, answered as a response. */
export async function responses(deps: Deps, context: RequestContext): Promise<Response> {
  startLoading(deps, context);
  const body = await context.receive(REQUEST_BODY_MAX_BYTES);
  const { chat, echo, inputOffset, enclosed } = parseWithPictures(body, deps.newId, parseResponsesRequest);
  return answerChat({ chat, enclosed, form: responsesForm(echo, inputOffset, deps.unixSeconds) }, deps, context);
}
