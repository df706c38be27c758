import { MalformedFile } from '../../src/core/bytes/malformed-file.ts';

/** Longest pattern of a rank or alpha; real ones are module names. */
const PATTERN_MAX_CHARS = 256;
/** Repetitions in one pattern; each multiplies the time of a match by the length of a module's name. */
const REPETITIONS_MAX = 4;

/**
 * A function that finds the first of `patterns` that PEFT takes for a module: Python's `re.match(rf"(.*\.)?({key})$", module)`.
 * Only patterns that cannot run long are taken: no repeated group, few repetitions, no reference to a group.
 *
 * @param place of the patterns in `file`
 * @throws MalformedFile
 */
export function modulePatterns(
  file: string,
  place: string,
  patterns: readonly string[],
): (module: string) => string | undefined {
  const compiled = patterns.map((pattern) => ({ pattern, regex: compile(file, place, pattern) }));
  return (module) => compiled.find(({ regex }) => regex.test(module))?.pattern;
}

function compile(file: string, place: string, pattern: string): RegExp {
  const repetitions = pattern.match(/[*+{?]/g)?.length ?? 0;
  const isSlow = repetitions > REPETITIONS_MAX || /\)[*+{]/.test(pattern) || /\\[1-9k]|\(\?/.test(pattern);
  if (pattern.length > PATTERN_MAX_CHARS || isSlow) {
    const found = JSON.stringify(pattern.slice(0, 80));
    throw new MalformedFile(file, place, found, 'module names or patterns without repeated groups');
  }
  try {
    return new RegExp(`^(.*\\.)?(${pattern})$`);
  } catch (cause) {
    throw new MalformedFile(file, place, JSON.stringify(pattern), 'a regular expression', { cause });
  }
}
