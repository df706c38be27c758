/** What the page asks, in OpenAI's words: the body of one streamed chat completion. */
export interface ChatBody {
  model: string;
  stream: true;
  stream_options: { include_usage: true };
  max_tokens?: number;
  temperature?: number;
  messages: [{ role: 'user'; content: Part[] }];
}

type Part = { type: 'image_url'; image_url: { url: string } } | { type: 'text'; text: string };

export interface Wishes {
  model: string;
  question: string;
  /** NaN leaves it to the model, as an empty field does. */
  maxTokens: number;
  temperature: number;
}

/** The picture comes before the question, as VoRA was trained; null asks without one. */
export function chatBody({ model, question, maxTokens, temperature }: Wishes, pictureUrl: string | null): ChatBody {
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(Number.isNaN(maxTokens) ? {} : { max_tokens: maxTokens }),
    ...(Number.isNaN(temperature) ? {} : { temperature }),
    messages: [
      {
        role: 'user',
        content: [
          ...(pictureUrl === null ? [] : [{ type: 'image_url' as const, image_url: { url: pictureUrl } }]),
          { type: 'text', text: question },
        ],
      },
    ],
  };
}
