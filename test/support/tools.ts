import type OpenAI from 'openai';

/** A strict tool and one that is not. */
export const ZOOM = {
  type: 'function',
  function: {
    name: 'zoom',
    strict: true,
    parameters: {
      type: 'object',
      properties: {
        where: { enum: ['top left', 'bottom right'] },
        factor: { type: 'integer', minimum: 1, maximum: 8 },
      },
      required: ['where', 'factor'],
      additionalProperties: false,
    },
  },
} as const;
export const NOTE = {
  type: 'function',
  function: {
    name: 'note',
    parameters: { type: 'object', properties: { text: { type: 'string', maxLength: 8 } }, required: ['text'] },
  },
} as const;
export const TOOLS = [ZOOM, NOTE] as unknown as OpenAI.ChatCompletionTool[];
