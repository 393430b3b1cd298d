/** @file Letting timers, signals and progress displays run between blocking computations. */

/** Returns a function to await between pieces of work: it waits for the event loop if `interval` ms have passed since it last did. */
export function pauser(interval = 30): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < interval) return;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    last = performance.now();
  };
}
