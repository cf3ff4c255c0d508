/** Symmetric 4x4 matrices, row by row in a Float64Array: the normal equations of three coordinates and a clock. */

export type Row4 = readonly [number, number, number, number];

export function addOuter(matrix: Float64Array, row: Row4, weight: number): void {
  for (let a = 0; a < 4; a++) for (let b = 0; b < 4; b++) matrix[4 * a + b] += weight * row[a] * row[b];
}

export function times4(m: Float64Array, v: Row4): Row4 {
  const row = (k: number): number =>
    m[4 * k] * v[0] + m[4 * k + 1] * v[1] + m[4 * k + 2] * v[2] + m[4 * k + 3] * v[3];
  return [row(0), row(1), row(2), row(3)];
}

const lower = new Float64Array(16);
const column = new Float64Array(4);

/** Inverse of a symmetric positive definite 4x4 matrix by Cholesky; false where it is not one. */
export function invertSymmetric4(matrix: Float64Array, out: Float64Array): boolean {
  for (let j = 0; j < 4; j++) {
    for (let i = j; i < 4; i++) {
      let sum = matrix[4 * i + j];
      for (let k = 0; k < j; k++) sum -= lower[4 * i + k] * lower[4 * j + k];
      if (i === j) {
        // Relative to the element itself: what is left of it after the columns before, rounding aside.
        if (!(sum > 1e-14 * matrix[4 * j + j])) return false;
        lower[4 * j + j] = Math.sqrt(sum);
      } else {
        lower[4 * i + j] = sum / lower[4 * j + j];
      }
    }
  }
  for (let c = 0; c < 4; c++) {
    for (let i = 0; i < 4; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = 0; k < i; k++) sum -= lower[4 * i + k] * column[k];
      column[i] = sum / lower[4 * i + i];
    }
    for (let i = 3; i >= 0; i--) {
      let sum = column[i];
      for (let k = i + 1; k < 4; k++) sum -= lower[4 * k + i] * column[k];
      column[i] = sum / lower[4 * i + i];
      out[4 * i + c] = column[i];
    }
  }
  return true;
}
