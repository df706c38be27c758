/** A chunk of a streamed chat, as far as its place among the others goes. */
export interface PlacedChunk {
  id: string;
  created: number;
  model: string;
  choices: PlacedChoice[];
  usage?: object | null | undefined;
}

interface PlacedChoice {
  index: number;
  delta: { role?: string | undefined; content?: string | null | undefined; tool_calls?: PlacedCall[] | undefined };
  finish_reason: string | null;
}

interface PlacedCall {
  index: number;
  id?: string | undefined;
  type?: string | undefined;
  function?: { name?: string | undefined } | undefined;
}

/**
 * Where the chunks of a stream break what OpenAI's streams keep and its schema cannot say: one identity, a role first and
 * one finish reason last for each choice, an id and a name first for each tool call, usage in the last chunk or nowhere.
 *
 * @param isWhole whether `[DONE]` came; a stream that broke off may lack its ends.
 */
export function orderFaults(chunks: readonly PlacedChunk[], isWhole: boolean): string[] {
  const identities = new Set(chunks.map(({ id, created, model }) => JSON.stringify([id, created, model])));
  const indexes = [...new Set(chunks.flatMap(({ choices }) => choices.map(({ index }) => index)))];
  return [
    ...rule(identities.size <= 1, 'chunks of several answers'),
    ...rule(!isWhole || indexes.length > 0, 'an answer without a choice'),
    ...usageFaults(chunks, isWhole),
    ...indexes.flatMap((index) => {
      const choices = chunks.flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index));
      return choiceFaults(choices, isWhole).map((fault) => `choice ${index}: ${fault}`);
    }),
  ];
}

function usageFaults(chunks: readonly PlacedChunk[], isWhole: boolean): string[] {
  const isAsked = chunks.some((chunk) => 'usage' in chunk);
  const last = chunks.at(-1);
  return isAsked
    ? [
        ...rule(
          chunks.every((chunk) => 'usage' in chunk),
          'usage in some chunks only',
        ),
        ...rule(
          chunks.slice(0, -1).every(({ usage }) => usage === null),
          'usage before the end',
        ),
        ...rule(
          !isWhole || (last?.choices.length === 0 && last.usage !== null && last.usage !== undefined),
          'no usage at the end',
        ),
      ]
    : [];
}

function choiceFaults(choices: readonly PlacedChoice[], isWhole: boolean): string[] {
  const [first, ...later] = choices;
  const ends = choices.findIndex(({ finish_reason: reason }) => reason !== null);
  return [
    ...rule(first?.delta.role === 'assistant' && first.delta.content === '', 'no role first'),
    ...rule(
      later.every(({ delta }) => delta.role === undefined),
      'a role twice',
    ),
    ...rule(ends === -1 || ends === choices.length - 1, 'goes on after its end'),
    ...rule(!isWhole || ends !== -1, 'no end'),
    ...callFaults(choices.flatMap(({ delta }) => delta.tool_calls ?? [])),
  ];
}

function callFaults(pieces: readonly PlacedCall[]): string[] {
  let calls = 0;
  return pieces.flatMap(({ index, id, type, function: fn }) => {
    if (index === calls) {
      calls += 1;
      return rule(
        id !== undefined && type === 'function' && fn?.name !== undefined,
        'a call without id, type and name',
      );
    }
    return [
      ...rule(index === calls - 1, 'arguments of another call'),
      ...rule(id === undefined && type === undefined && fn?.name === undefined, 'an id or name twice'),
    ];
  });
}

function rule(holds: boolean, fault: string): string[] {
  return holds ? [] : [fault];
}
