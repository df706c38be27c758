/** JSON that a test looks into: a value deep inside may be there or not. */
export interface Json {
  readonly [field: string]: Json;
}

/** Items of a list; none where there is no list. */
export function list(json: Json | undefined): Json[] {
  return Object.values(json ?? {});
}

/** Text or a number as text. */
export function text(json: unknown): string {
  if (typeof json !== 'string' && typeof json !== 'number') {
    throw new TypeError(`expected text, found ${JSON.stringify(json)}`);
  }
  return `${json}`;
}
