/** @file Letting timers, signals and progress displays run between blocking computations. */

/** Returns a function to await between pieces of work: it waits for the event loop if `interval` ms have passed since it last did. */
export function pauser(interval = 30): () => Promise<void> {
  const turn = eventLoopTurn();
  let last = performance.now();
  return async () => {
    if (performance.now() - last < interval) return;
    await turn();
    last = performance.now();
  };
}

/** A function that waits for one turn of the event loop. Browsers delay timers that set timers by 4 ms, and in hidden tabs by more;
 * messages are not delayed. */
function eventLoopTurn(): () => Promise<void> {
  if (typeof setImmediate === "function") return () => new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  return () =>
    new Promise((resolve) => {
      port1.onmessage = () => resolve();
      port2.postMessage(null);
    });
}
