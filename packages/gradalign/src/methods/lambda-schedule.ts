/** @file The weight of GradAlign's regulariser that the paper's scripts use. */

/**
 * Log-linear in epsilon (pixel units). CIFAR-10: 0.02 at 0, 0.2 at 8/255, 2 at 16/255. SVHN: 1.5625 at 0, 2.5 at 8/255.
 * Data sets other than `svhn` get CIFAR-10's. Above 16/255 the formula grows on; the paper does not say what it used there.
 */
export function lambdaSchedule(dataset: string, epsilon: number): number {
  const eps = epsilon * 255;
  if (dataset === "svhn") return Math.exp((eps * Math.log(1.6)) / 8 + Math.log(2.5 ** 2 / 4));
  return Math.exp((eps * Math.log(10)) / 8 + Math.log(0.02));
}
