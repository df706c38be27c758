import { type Schema, Validator } from '@cfworker/json-schema';
import { orderFaults, type PlacedChunk } from './chat-order.ts';
import schemas from '../fixtures/openai/schemas.json' with { type: 'json' };

/** What a client received. */
export interface Received {
  method: string;
  path: string;
  status: number;
  contentType: string;
  text: string;
}

type SchemaName = keyof (typeof schemas)['$defs'];

/** Schema of each event of a streamed response, by its type. */
const RESPONSE_EVENTS: Record<string, SchemaName> = {
  'response.created': 'ResponseCreatedEvent',
  'response.in_progress': 'ResponseInProgressEvent',
  'response.output_item.added': 'ResponseOutputItemAddedEvent',
  'response.content_part.added': 'ResponseContentPartAddedEvent',
  'response.output_text.delta': 'ResponseTextDeltaEvent',
  'response.output_text.done': 'ResponseTextDoneEvent',
  'response.content_part.done': 'ResponseContentPartDoneEvent',
  'response.output_item.done': 'ResponseOutputItemDoneEvent',
  'response.completed': 'ResponseCompletedEvent',
  'response.incomplete': 'ResponseIncompleteEvent',
  'response.failed': 'ResponseFailedEvent',
  error: 'ResponseErrorEvent',
};

interface Event {
  name: string | null;
  data: string;
}

interface Chunk extends PlacedChunk {
  error?: object;
}

/**
 * Where a received answer differs from OpenAI's published schemas, or from the order that its streams have; empty where
 * it does not. Routes that OpenAI does not have are checked for errors only.
 */
export function conformanceFaults(received: Received): string[] {
  const { method, path, status, contentType, text } = received;
  if (method === 'HEAD' || method === 'OPTIONS' || text === '') {
    return [];
  }
  if (status >= 400) {
    return path === '/readyz' ? [] : faults('ErrorResponse', text);
  }
  const isStream = contentType.startsWith('text/event-stream');
  switch (path.replace(/\?.*/, '')) {
    case '/v1/chat/completions':
      return isStream ? chatStreamFaults(eventsOf(text)) : faults('CreateChatCompletionResponse', text);
    case '/v1/responses':
      return isStream ? responseStreamFaults(eventsOf(text)) : faults('Response', text);
    case '/v1/models':
      return faults('ListModelsResponse', text);
    default:
      return path.startsWith('/v1/models/') ? faults('Model', text) : [];
  }
}

function chatStreamFaults(events: Event[]): string[] {
  const done = events.findIndex(({ data }) => data === '[DONE]');
  const chunks = events.filter(({ data }) => data !== '[DONE]').map(({ data }) => JSON.parse(data) as Chunk);
  const answers = chunks.filter(({ error }) => error === undefined);
  return [
    ...chunks.flatMap((chunk) =>
      faults(chunk.error === undefined ? 'CreateChatCompletionStreamResponse' : 'ErrorResponse', JSON.stringify(chunk)),
    ),
    ...rule(done < 0 || done === events.length - 1, 'something comes after [DONE]'),
    ...rule(done < 0 || answers.length === chunks.length, '[DONE] after an error'),
    ...orderFaults(answers, done >= 0),
  ];
}

function responseStreamFaults(events: Event[]): string[] {
  const typed = events.filter(({ data }) => data !== '[DONE]');
  return typed.flatMap(({ name, data }, i) => {
    const { type, sequence_number: sequence } = JSON.parse(data) as { type: string; sequence_number: number };
    const schema = RESPONSE_EVENTS[type];
    return [
      ...rule(name === type, `event ${name} holds ${type}`),
      ...rule(sequence === i, `event ${i} has number ${sequence}`),
      ...(schema === undefined ? [`unknown event ${type}`] : faults(schema, data)),
    ];
  });
}

function eventsOf(text: string): Event[] {
  const blocks = text.split('\n\n').filter((block) => /^(event|data): /.test(block));
  return blocks.map((block) => ({
    name: /^event: (.*)$/m.exec(block)?.[1] ?? null,
    data: /^data: (.*)$/m.exec(block)?.[1] ?? '',
  }));
}

const validators = new Map<SchemaName, Validator>();

function faults(name: SchemaName, text: string): string[] {
  const validator =
    validators.get(name) ?? new Validator({ ...(schemas as Schema), $ref: `#/$defs/${name}` }, '2020-12', false);
  validators.set(name, validator);
  return validator.validate(JSON.parse(text)).errors.map(({ instanceLocation, error }) => {
    return `${name} ${instanceLocation}: ${error}`;
  });
}

function rule(holds: boolean, fault: string): string[] {
  return holds ? [] : [fault];
}
