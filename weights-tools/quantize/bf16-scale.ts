import { bf16ToF32, f32ToBf16 } from '../../src/core/bytes/float.ts';

/** torch.finfo(torch.bfloat16).eps */
const EPSILON = 2 ** -7;

/** A scale as compressed-tensors stores it: rounded to f32, then to bf16; its epsilon where there is nothing to scale. */
export function bf16Scale(scale: number): number {
  const [rounded = 0] = bf16ToF32(f32ToBf16(Float32Array.of(scale)));
  return rounded === 0 ? EPSILON : rounded;
}
