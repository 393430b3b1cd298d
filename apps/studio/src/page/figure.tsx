/** @file A figure on the page: drawn anew when what it shows or its width has changed, one figure per frame, so that the page stays free. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** Draws a figure of the width that there is. */
export type Draw = (width: number) => Element;

const LEAST_WIDTH = 240;

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

/** What a box is to show, and shows. */
interface Shown {
  wanted: Draw | null;
  drawn: { readonly draw: Draw; readonly width: number } | null;
  pointer: PointerEvent | null;
}

/** Draws in a frame of its own, unless the box shows that already. */
function paint(box: HTMLElement, shown: Shown): void {
  inAFrame(box, () => {
    const { wanted, drawn, pointer } = shown;
    const width = Math.max(LEAST_WIDTH, box.clientWidth);
    if (!box.isConnected || !wanted || (drawn?.draw === wanted && drawn.width === width)) return;
    shown.drawn = { draw: wanted, width };
    const figure = wanted(width);
    box.replaceChildren(figure);
    // The tooltip that was there is there again.
    const svg = figure.matches("svg") ? figure : figure.querySelector("svg");
    if (pointer) svg?.dispatchEvent(new PointerEvent("pointermove", { clientX: pointer.clientX, clientY: pointer.clientY, pointerType: "mouse" }));
  });
}

/** A drawing in a box whose height it keeps, so that nothing jumps. */
export function Figure({ draw, height }: { readonly draw: Draw | null; readonly height: number }) {
  const box = useRef<HTMLDivElement>(null);
  const shown = useRef<Shown>({ wanted: null, drawn: null, pointer: null });
  useLayoutEffect(() => {
    shown.current.wanted = draw;
    if (box.current) paint(box.current, shown.current);
  }, [draw]);
  useEffect(() => {
    const { current } = box;
    if (!current) return;
    const observer = new ResizeObserver(() => paint(current, shown.current));
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  return (
    <div
      ref={box}
      class="drawing"
      style={{ minHeight: `${height}px` }}
      onPointerMove={(event) => {
        if (event.isTrusted) shown.current.pointer = event;
      }}
      onPointerLeave={() => {
        shown.current.pointer = null;
      }}
    />
  );
}
