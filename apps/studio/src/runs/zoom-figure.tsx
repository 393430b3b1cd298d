/** @file A figure over epochs in which a part of them can be drawn out: drag to look closer, double click for all. */
import { useRef, useState } from "preact/hooks";
import { type Draw, Figure } from "../page/figure.tsx";

/** A drag in pixels of the box, from where it began. */
interface Drag {
  readonly from: number;
  readonly to: number;
}

/** Pixels that a drag must be long to be one. */
const LEAST = 8;

/** The figure. */
export function ZoomFigure({
  draw,
  height,
  onZoom,
}: {
  readonly draw: Draw | null;
  readonly height: number;
  readonly onZoom: (epochs: readonly [number, number] | null) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  // Where it began: events come faster than the page is drawn.
  const start = useRef<number | null>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const placeOf = ({ clientX }: PointerEvent): number => clientX - (box.current?.getBoundingClientRect().left ?? 0);
  const end = (event: PointerEvent): void => {
    const [from, to] = [start.current, placeOf(event)];
    start.current = null;
    setDrag(null);
    const axes = box.current && axesOf(box.current);
    if (from === null || !axes || Math.abs(to - from) < LEAST) return;
    const [a, b] = [from, to].map(axes).sort((x, y) => x - y) as [number, number];
    if (b > a) onZoom([a, b]);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the epochs' fields do the same without a pointer
    <div
      ref={box}
      class="zoom"
      onPointerDownCapture={(event) => {
        if (event.button !== 0) return;
        // Else the tooltip would stay where it was clicked.
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = placeOf(event);
      }}
      onPointerMove={(event) => start.current !== null && setDrag({ from: start.current, to: placeOf(event) })}
      onPointerUp={end}
      onPointerCancel={() => {
        start.current = null;
        setDrag(null);
      }}
      onDblClick={() => onZoom(null)}
    >
      <Figure draw={draw} height={height} />
      {drag && Math.abs(drag.to - drag.from) >= LEAST && (
        <div class="dragged" style={{ left: `${Math.min(drag.from, drag.to)}px`, width: `${Math.abs(drag.to - drag.from)}px` }} />
      )}
    </div>
  );
}

/** From pixels of the box to epochs, by the axes that the figure says it has. */
function axesOf(box: HTMLElement): ((pixel: number) => number) | null {
  const svg = box.querySelector<SVGSVGElement>("svg[data-axes]");
  if (!svg) return null;
  const [{ domain, range }] = JSON.parse(svg.dataset["axes"] ?? "[]") as [{ domain: [number, number]; range: [number, number] }];
  const { left, width } = svg.getBoundingClientRect();
  const scale = Number(svg.getAttribute("width")) / width;
  const offset = left - box.getBoundingClientRect().left;
  return (pixel) => {
    const share = ((pixel - offset) * scale - range[0]) / (range[1] - range[0]);
    return domain[0] + Math.min(1, Math.max(0, share)) * (domain[1] - domain[0]);
  };
}
