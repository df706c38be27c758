import * as z from 'zod';
import { chatRequestSchema } from '../src/core/protocol/chat-request.ts';
import {
  chatChunkSchema,
  chatCompletionSchema,
  modelListSchema,
  modelSchema,
} from '../src/core/protocol/chat-response-schema.ts';
import { imageAnswerSchemas, imageDeltaSchema } from '../src/core/protocol/image-task-answer.ts';
import { type ImageTask, imageTaskSchemas } from '../src/core/protocol/image-task-request.ts';
import { responsesRequestSchema } from '../src/core/protocol/responses-request.ts';
import { responseEventSchema, responseSchema } from '../src/core/protocol/responses-schema.ts';

/** One form of a body; without a schema it is bytes or text. */
export interface Body {
  mediaType: string;
  /** Name and schema of its JSON. */
  json?: [name: string, schema: z.ZodType];
}

/** What is said about one route; the schemas say the rest. */
export interface Operation {
  method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `{name}` for a parameter. */
  path: string;
  id: string;
  tag: 'Chat' | 'Images' | 'Models' | 'Jobs' | 'Tenant' | 'Webhooks' | 'Operations';
  summary: string;
  description: string;
  /** Needs no API key. */
  open?: true;
  pathParameters?: z.ZodObject;
  query?: z.ZodObject;
  request?: Body[];
  answer: Body[];
  /** Absent is 200. */
  status?: 201 | 202;
}

const EVENT_STREAM = 'text/event-stream';
const JSON_TYPE = 'application/json';
const verdict = z.enum(['ok', 'failed']);
const report = z.strictObject({
  status: z.enum(['ready', 'unready']),
  checks: z.record(z.string(), verdict).describe('What every request needs'),
  upstreams: z.record(z.string(), verdict).describe('Model servers by name; each model needs one'),
});

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    id: 'createChatCompletion',
    tag: 'Chat',
    summary: 'Ask about text and images',
    description:
      'OpenAI’s chat completions. With stream: true the answer comes as chat.completion.chunk events and ends with [DONE]; a stream that breaks ends with an event {"error": …} and no [DONE]. Comments (lines that begin with a colon) keep the connection open while the model reads.',
    request: [{ mediaType: JSON_TYPE, json: ['ChatCompletionRequest', chatRequestSchema] }],
    answer: [
      { mediaType: JSON_TYPE, json: ['ChatCompletion', chatCompletionSchema] },
      { mediaType: EVENT_STREAM, json: ['ChatCompletionChunk', chatChunkSchema] },
    ],
  },
  {
    method: 'post',
    path: '/v1/responses',
    id: 'createResponse',
    tag: 'Chat',
    summary: 'The same as a response',
    description:
      'OpenAI’s Responses API without memory and tools: text and images in, text out. With stream: true its typed events, the last of which is response.completed or response.incomplete, then [DONE]; a stream that breaks ends with response.failed and error.',
    request: [{ mediaType: JSON_TYPE, json: ['ResponseRequest', responsesRequestSchema] }],
    answer: [
      { mediaType: JSON_TYPE, json: ['Response', responseSchema] },
      { mediaType: EVENT_STREAM, json: ['ResponseEvent', responseEventSchema] },
    ],
  },
  imageOperation('caption', 'Caption', 'Describe an image', 'What the picture shows, in the model’s own words.'),
  imageOperation('ocr', 'Ocr', 'Read the text in an image', 'The text as the model reads it, whole and line by line.'),
  imageOperation('vqa', 'Vqa', 'Ask about an image', 'The answer to the question about the picture.'),
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Models',
    summary: 'List models',
    description: 'The models that requests may name.',
    answer: [{ mediaType: JSON_TYPE, json: ['ModelList', modelListSchema] }],
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    id: 'retrieveModel',
    tag: 'Models',
    summary: 'One model',
    description: 'Its name may hold slashes.',
    pathParameters: z.strictObject({ model: z.string() }),
    answer: [{ mediaType: JSON_TYPE, json: ['Model', modelSchema] }],
  },
  {
    method: 'get',
    path: '/healthz',
    id: 'health',
    tag: 'Operations',
    summary: 'Is the worker alive?',
    description: 'Depends on nothing else.',
    open: true,
    answer: [{ mediaType: JSON_TYPE, json: ['Health', z.strictObject({ status: z.literal('ok') })] }],
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readiness',
    tag: 'Operations',
    summary: 'Can it answer?',
    description:
      'Checks the edge bundle and the model servers, and that they see images; 503 where the bundle is missing or a model has no server, with the same body.',
    open: true,
    answer: [{ mediaType: JSON_TYPE, json: ['Readiness', report] }],
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    tag: 'Operations',
    summary: 'Counts for Prometheus',
    description: 'Of one isolate since it started. 404 unless the METRICS variable opens it; it has a key of its own.',
    answer: [{ mediaType: 'text/plain' }],
  },
];

function imageOperation(task: ImageTask, name: string, summary: string, description: string): Operation {
  const schema: z.ZodObject = imageTaskSchemas[task];
  const file = z.string().meta({ contentMediaType: 'application/octet-stream' });
  return {
    method: 'post',
    path: `/v1/${task}`,
    id: task,
    tag: 'Images',
    summary,
    description: `${description} The image comes as JSON, in a form, or as the whole body with the other fields in the query. The accept header chooses the answer: application/json, text/plain for the bare text, or text/event-stream for pieces as they come and the JSON at the end.`,
    query: schema.omit({ image: true }),
    request: [
      { mediaType: JSON_TYPE, json: [`${name}Request`, schema] },
      {
        mediaType: 'multipart/form-data',
        json: [`${name}Form`, schema.extend({ image: file.describe('A file, or a data: or https: URL') })],
      },
      { mediaType: 'image/*' },
    ],
    answer: [
      { mediaType: JSON_TYPE, json: [`${name}Answer`, imageAnswerSchemas[task]] },
      { mediaType: 'text/plain' },
      { mediaType: EVENT_STREAM, json: [`${name}Event`, z.union([imageDeltaSchema, imageAnswerSchemas[task]])] },
    ],
  };
}
