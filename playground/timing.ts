/** A stretch of a request's time, in milliseconds. */
export interface Stage {
  name: string;
  ms: number;
}

/** `decode;dur=12.3, embed;dur=40.1` (W3C Server Timing) as stages, in the header's order. */
export function readServerTiming(header: string): Stage[] {
  return header.split(',').flatMap((entry) => {
    const [name = '', ...params] = entry.split(';').map((part) => part.trim());
    const duration = params.find((param) => param.startsWith('dur='))?.slice('dur='.length);
    return name === '' || duration === undefined ? [] : [{ name, ms: Number(duration) }];
  });
}

/** When what happened, on the page's clock. */
export interface Marks {
  asked: number;
  firstText: number | null;
  ended: number;
}

/**
 * The worker's stages one after another, then what the page itself waited: to the first text whatever the worker's stages
 * do not explain (the network, and a model that is still reading), and to the end.
 */
export function allStages(worker: readonly Stage[], { asked, firstText, ended }: Marks): Stage[] {
  const explained = worker.reduce((sum, { ms }) => sum + ms, 0);
  const waited = (firstText ?? ended) - asked;
  return [
    ...worker,
    { name: 'wait', ms: Math.max(0, waited - explained) },
    ...(firstText === null ? [] : [{ name: 'answer', ms: ended - firstText }]),
  ];
}
