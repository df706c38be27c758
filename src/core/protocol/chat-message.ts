import * as z from 'zod';
import { IMAGE_UUID_MAX_CHARS, PARTS_PER_MESSAGE_MAX } from '../limits.ts';
import { IMAGE_SOURCE } from './image-source.ts';
import { dropNeutralFields } from './request-field.ts';
import { orString } from './string-form.ts';
import { type ToolCall, toolCallId, toolCalls } from './tool.ts';
import { videoParts } from './video.ts';

/** How closely to look at an image, in OpenAI's words. */
export type Detail = 'auto' | 'low' | 'high';

export type ContentPart =
  | { type: 'text'; text: string }
  /** `field` is the path of its URL in the client's terms, where that is not the part's position: beside videos. */
  | { type: 'image_url'; url: string; detail: Detail; uuid?: string; field?: string }
  /** Base64 of a torch.save file holding [N, H]; only a worker may send one, and a `uuid` under which to keep an image. */
  | { type: 'image_embeds'; data: string; uuid?: string }
  /** An image that was sent before under this name; only a worker may name one. */
  | { type: 'stored_image'; uuid: string };

/**
 * Positions of parts equal the client's, so that `messages[m].content[p]` names the same part on both sides; but for
 * messages with videos, whose frames are parts here.
 */
export type ChatMessage =
  | { role: 'system' | 'user'; content: ContentPart[] }
  /** Content is empty where the message is tool calls alone. */
  | { role: 'assistant'; content: ContentPart[]; toolCalls?: ToolCall[] }
  /** What a tool gave back: text. An agent shows an image in the user message that follows. */
  | { role: 'tool'; content: ContentPart[]; toolCallId: string };

/** Who is asking: anybody, or a worker of ours that may send ready-made embeddings. */
export type PartsAllowed = 'client' | 'endpoint';

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() });

export const detail = z
  .enum(['auto', 'low', 'high'])
  .default('auto')
  .describe(
    'high: in its own proportions and closer, where the model can; else as auto. The header x-vora-wire says which',
  );

const imageUrl = z.strictObject({ url: z.string().min(1).describe(IMAGE_SOURCE), detail });

const imagePart = z
  .strictObject({ type: z.literal('image_url'), image_url: imageUrl })
  .transform(({ type, image_url: image }) => ({ type, ...image }));

const uuid = z.string().min(1).max(IMAGE_UUID_MAX_CHARS).optional();

const namedImagePart = z
  .strictObject({ type: z.literal('image_url'), image_url: imageUrl.optional(), uuid })
  .transform(({ type, image_url: image, uuid: name }, ctx) =>
    image === undefined ? storedImage(name, type, ctx) : { type, ...image, ...named(name) },
  );

const embedsPart = z
  .strictObject({ type: z.literal('image_embeds'), image_embeds: z.string().min(1).optional(), uuid })
  .transform(({ type, image_embeds: data, uuid: name }, ctx) =>
    data === undefined ? storedImage(name, type, ctx) : { type, data, ...named(name) },
  );

/** As vLLM has it: a part whose data is null stands for what came under its uuid before. */
function storedImage(name: string | undefined, field: string, ctx: z.RefinementCtx): ContentPart {
  if (name === undefined) {
    ctx.issues.push({ code: 'custom', input: ctx.value, path: [field], message: 'An image needs data or a uuid' });
    return z.NEVER;
  }
  return { type: 'stored_image', uuid: name };
}

function named(name: string | undefined): { uuid?: string } {
  return name === undefined ? {} : { uuid: name };
}

const clientParts = z.discriminatedUnion('type', [textPart, imagePart, ...videoParts]);
const endpointParts = z.discriminatedUnion('type', [textPart, namedImagePart, embedsPart, ...videoParts]);

function content<Part extends z.ZodType>(part: Part) {
  const list = z.array(z.preprocess(dropNeutralFields, part)).min(1).max(PARTS_PER_MESSAGE_MAX);
  return orString(list, (text) => [{ type: 'text', text }]);
}

const plain = content(z.discriminatedUnion('type', [textPart]));

const assistant = z
  .strictObject({ role: z.literal('assistant'), content: plain.optional(), tool_calls: toolCalls.default([]) })
  .check((ctx) => {
    if (ctx.value.content === undefined && ctx.value.tool_calls.length === 0) {
      const message = 'An assistant message needs content or tool_calls';
      ctx.issues.push({ code: 'custom', input: ctx.value, path: ['content'], message });
    }
  })
  .transform(({ role, content: parts = [], tool_calls: calls }) => ({
    role,
    content: parts,
    ...(calls.length === 0 ? {} : { toolCalls: calls }),
  }));

const tool = z
  .strictObject({ role: z.literal('tool'), content: plain, tool_call_id: toolCallId })
  .transform(({ role, content: parts, tool_call_id: id }) => ({ role, content: parts, toolCallId: id }));

function message(userParts: typeof clientParts | typeof endpointParts) {
  const schema = z.discriminatedUnion('role', [
    z.strictObject({ role: z.literal('user'), content: content(userParts) }),
    z.strictObject({ role: z.literal('system'), content: plain }),
    // OpenAI's newer name for the system role.
    z
      .strictObject({ role: z.literal('developer'), content: plain })
      .transform((m) => ({ ...m, role: 'system' as const })),
    assistant,
    tool,
  ]);
  return z.preprocess(dropNeutralFields, schema);
}

/** A message of each kind of sender. */
export const MESSAGE = { client: message(clientParts), endpoint: message(endpointParts) };

/**
 * A tool message without its call, or a call without its answer, as path and text; null when every call is answered.
 * OpenAI refuses both: a template would put them side by side, and the model would read an answer to another question.
 */
export function unansweredCall(messages: readonly ChatMessage[]): { param: string; message: string } | null {
  let open: string[] = [];
  let caller = 0;
  for (const [m, turn] of messages.entries()) {
    if (turn.role === 'tool') {
      const at = open.indexOf(turn.toolCallId);
      if (at === -1) {
        const found = 'A tool message must answer a call of the assistant message before it';
        return { param: `messages[${m}].tool_call_id`, message: found };
      }
      open.splice(at, 1);
      continue;
    }
    if (open.length > 0) {
      break;
    }
    if (turn.role === 'assistant') {
      open = (turn.toolCalls ?? []).map(({ id }) => id);
      caller = m;
    }
  }
  return open.length === 0
    ? null
    : { param: `messages[${caller}].tool_calls`, message: 'Each tool call needs a tool message that answers it' };
}
