import { BadInput } from './bad-input.ts';
import type { TensorRef } from './checkpoint.ts';
import { isFloatDtype } from './float-blocks.ts';
import { printable } from './printable.ts';

/** Errors listed in one message; more of the same help nobody. */
const PROBLEMS_SHOWN = 8;

/** What is missing, misshapen or left over where exactly the tensors of `expected` should be: a line for each. */
export function compareTensors(
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, TensorRef>,
): string[] {
  const problems: string[] = [];
  for (const [name, shape] of expected) {
    const tensor = found.get(name);
    if (tensor === undefined) {
      problems.push(`${name}: found nothing, expected [${shape.join(', ')}]`);
    } else {
      problems.push(...compareShape(tensor, shape));
    }
  }
  for (const [name, tensor] of found) {
    if (!expected.has(name)) {
      problems.push(leftover(tensor));
    }
  }
  return problems;
}

export function compareShape(tensor: TensorRef, expected: readonly number[]): string[] {
  const found = `[${tensor.shape.join(', ')}]`;
  if (found !== `[${expected.join(', ')}]`) {
    return [`${where(tensor)}: found ${found}, expected [${expected.join(', ')}]`];
  }
  return isFloatDtype(tensor.dtype) ? [] : [`${where(tensor)}: found ${tensor.dtype}, expected F32, BF16 or F16`];
}

export function leftover(tensor: TensorRef): string {
  return `${where(tensor)}: found a tensor that no part of the model takes, expected none`;
}

/** File and name, for messages. */
export function where(tensor: TensorRef): string {
  return `${tensor.source.name}: ${printable(tensor.name)}`;
}

/** @throws BadInput with the first problems, when there are any */
export function refuseProblems(problems: readonly string[], configFile: string): void {
  if (problems.length > 0) {
    const more = problems.length - PROBLEMS_SHOWN;
    const shown = problems.slice(0, PROBLEMS_SHOWN).join('\n  ');
    throw new BadInput(
      `the tensors do not make the model of ${configFile}:\n  ${shown}${more > 0 ? `\n  and ${more} more` : ''}`,
    );
  }
}
