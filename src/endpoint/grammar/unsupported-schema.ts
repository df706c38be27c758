/** A JSON schema that asks for what sampling cannot keep, or for what no value can be. */
export class UnsupportedSchema extends Error {
  /** Where in the schema, e.g. `properties.age.multipleOf`; empty for the whole of it. */
  readonly place: string;

  /** @param found what stands there and why it cannot be kept. */
  constructor(place: string, found: string) {
    super(found);
    this.name = 'UnsupportedSchema';
    this.place = place;
  }
}

/** A place within a place. */
export function placeIn(place: string, more: string): string {
  return place === '' || more === '' ? place + more : `${place}.${more}`;
}

/** Runs what knows nothing of places, and says where it failed. */
export function at<Result>(place: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw cause instanceof UnsupportedSchema
      ? new UnsupportedSchema(placeIn(place, cause.place), cause.message)
      : cause;
  }
}
