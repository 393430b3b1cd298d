/** @file A figure on the page: drawn anew when what it shows has changed, one figure per frame, so that the page stays free. */
import { useLayoutEffect, useRef } from "preact/hooks";

/** Draws a figure of the width that there is. */
export type Draw = (width: number) => Element;

const waiting = new Map<object, () => void>();

/** Calls a function in a frame of its own, the latest of each key. */
function inAFrame(key: object, work: () => void): void {
  if (waiting.size === 0) requestAnimationFrame(next);
  waiting.set(key, work);
}

function next(): void {
  for (const [key, work] of waiting) {
    waiting.delete(key);
    work();
    break;
  }
  if (waiting.size > 0) requestAnimationFrame(next);
}

/** A drawing in a box whose height it keeps, so that nothing jumps. */
export function Figure({ draw, height }: { readonly draw: Draw | null; readonly height: number }) {
  const box = useRef<HTMLDivElement>(null);
  const pointer = useRef<PointerEvent | null>(null);
  useLayoutEffect(() => {
    const { current } = box;
    if (!current || !draw) return;
    inAFrame(current, () => {
      if (!current.isConnected) return;
      const drawn = draw(Math.max(240, current.clientWidth));
      current.replaceChildren(drawn);
      const { current: at } = pointer;
      // The tooltip that was there is there again.
      const svg = drawn.matches("svg") ? drawn : drawn.querySelector("svg");
      if (at) svg?.dispatchEvent(new PointerEvent("pointermove", { clientX: at.clientX, clientY: at.clientY, pointerType: "mouse" }));
    });
  }, [draw]);
  return (
    <div
      ref={box}
      class="drawing"
      style={{ minHeight: `${height}px` }}
      onPointerMove={(event) => {
        if (event.isTrusted) pointer.current = event;
      }}
      onPointerLeave={() => {
        pointer.current = null;
      }}
    />
  );
}
