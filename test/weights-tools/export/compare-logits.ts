export function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0;
  let left = 0;
  let right = 0;
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? Number.NaN;
    product += value * other;
    left += value * value;
    right += other * other;
  }
  return product / Math.sqrt(left * right);
}

/** KL(p ‖ q) in nats of the distributions that two rows of logits stand for. */
export function klDivergence(expected: Float32Array, found: Float32Array): number {
  const p = logSoftmax(expected);
  const q = logSoftmax(found);
  return p.reduce((sum, logP, i) => sum + Math.exp(logP) * (logP - (q[i] ?? Number.NaN)), 0);
}

export function argmax(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}

function logSoftmax(logits: Float32Array): number[] {
  const peak = Math.max(...logits);
  const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0));
  return Array.from(logits, (logit) => logit - peak - logSum);
}
