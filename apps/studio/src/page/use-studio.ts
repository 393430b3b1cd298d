/** @file The studio in components, and the drawings, which are loaded when there is something to draw. */
import { createContext } from "preact";
import { useContext, useEffect, useReducer, useState } from "preact/hooks";
import type { State, Studio } from "./studio.ts";

/** The studio that a page shows. */
export const StudioContext = createContext<Studio | null>(null);

/** The studio and its state, drawn again when that changes: once a frame, or, in a hidden page, when it is back in front. */
export function useStudio(): { readonly studio: Studio; readonly state: State } {
  const studio = useContext(StudioContext) as Studio;
  const [, again] = useReducer<number, void>((n) => n + 1, 0);
  useEffect(() => studio.watch(() => again()), [studio]);
  return { studio, state: studio.state };
}

type Charts = typeof import("./charts.ts");
let loading: Promise<Charts> | null = null;

/** The drawings, once they are needed; null until they are there. */
export function useCharts(needed: boolean): Charts | null {
  const [charts, setCharts] = useState<Charts | null>(null);
  useEffect(() => {
    if (!needed || charts) return;
    loading ??= import("./charts.ts");
    void loading.then((loaded) => setCharts(loaded));
  }, [needed, charts]);
  return charts;
}
