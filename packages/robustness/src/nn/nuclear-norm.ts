/** @file The nuclear norm of a tall matrix, with its derivative, from the inverse root of the small Gram matrix. */
import { add, div, eq, iota, matmul, mul, sqrt, stopGradient, sub, sum, transpose, type Value, where, zeros } from "@gradalign/tensor";

/** Relative to the mean squared singular value; and what keeps a matrix of zeros from dividing by 0. */
const RIDGE = 1e-6;
const LEAST = 1e-12;
/** Small eigenvalues grow by 3 / 2 in a step, so that 2e-7 of the trace takes 20; the last steps converge quadratically. */
const STEPS = 28;

/** The inverse square root of a symmetric matrix with positive eigenvalues, [K, K], by the coupled iteration of Newton and Schulz. */
function inverseRoot(matrix: Value): Value {
  const unit = identity(matrix.shape[0] as number);
  const size = sum(mul(matrix, unit));
  let root = div(matrix, size);
  let inverse = unit;
  for (let i = 0; i < STEPS; i++) {
    const step = mul(sub(mul(unit, 3), matmul(inverse, root)), 0.5);
    root = matmul(root, step);
    inverse = matmul(step, inverse);
  }
  return div(inverse, sqrt(size));
}

function identity(size: number): Value {
  const shape = [size, size];
  return where(eq(iota(shape, 0), iota(shape, 1)), add(zeros(shape), 1), 0);
}

/**
 * The sum of the singular values of [N, K], K small. Its derivative is the orthogonal factor U Vᵀ = D (DᵀD)^(−1/2), a constant to further
 * derivatives; a ridge of 1e-6 keeps directions finite that the matrix does not have.
 */
export function nuclearNorm(matrix: Value): Value {
  const fixed = stopGradient(matrix);
  const gram = matmul(transpose(fixed), fixed);
  const classes = gram.shape[0] as number;
  const unit = identity(classes);
  const ridge = add(mul(sum(mul(gram, unit)), RIDGE / classes), LEAST);
  return sum(mul(matrix, matmul(fixed, inverseRoot(add(gram, mul(unit, ridge))))));
}
