import * as z from 'zod';

/** Schemas of lists that may also be written as one string; JSON Schema cannot see that through a preprocess. */
const WITH_STRING_FORM = z.registry<{ stringForm: true }>();

/**
 * A list that a client may write as one string, as OpenAI allows for contents and stop strings.
 *
 * A preprocess and not a union: the faults of a union name the whole field, these name the item.
 *
 * @param wrap the list that a string stands for.
 */
export function orString<List extends z.ZodType>(list: List, wrap: (text: string) => unknown) {
  const schema = z.preprocess((value) => (typeof value === 'string' ? wrap(value) : value), list);
  WITH_STRING_FORM.add(schema, { stringForm: true });
  return schema;
}

/** Whether the schema was made by {@link orString}. */
export function hasStringForm(schema: z.core.$ZodType): boolean {
  return WITH_STRING_FORM.has(schema);
}
