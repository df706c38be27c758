/** `,` `[` `{`: before every value of a JSON text but the first stands one of them. */
const MARKS = [0x2c, 0x5b, 0x7b];

/**
 * An upper bound, less one, of the values that JSON.parse would make of these bytes. Marks inside strings count too:
 * telling them apart would cost a pass over every byte, and base64 holds none.
 */
export function countJsonMarks(bytes: Uint8Array): number {
  let count = 0;
  for (const mark of MARKS) {
    for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) {
      count += 1;
    }
  }
  return count;
}
