/** @file The page's state in components, and the drawings, which are loaded when there is something to draw. */
import { createContext } from "preact";
import { useContext, useEffect, useReducer, useState } from "preact/hooks";
import type { State, StudioRuns } from "./studio-runs.ts";

/** What a page shows. */
export const RunsContext = createContext<StudioRuns | null>(null);

/** The runs and their state, drawn again when that changes. */
export function useRuns(): { readonly studio: StudioRuns; readonly state: State } {
  const studio = useContext(RunsContext) as StudioRuns;
  const [, again] = useReducer<number, void>((n) => n + 1, 0);
  useEffect(() => studio.watch(() => again()), [studio]);
  return { studio, state: studio.state };
}

type Drawings = typeof import("./draw.ts");
let loading: Promise<Drawings> | null = null;

/** The drawings, once they are needed; null until they are there. */
export function useDrawings(needed: boolean): Drawings | null {
  const [drawings, setDrawings] = useState<Drawings | null>(null);
  useEffect(() => {
    if (!needed || drawings) return;
    loading ??= import("./draw.ts");
    void loading.then((loaded) => setDrawings(loaded));
  }, [needed, drawings]);
  return drawings;
}
