/** @file The page's state in components, and the drawings, which are loaded when there is something to draw. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { useLoaded, useWatched } from "../page/hooks.ts";
import type { State, StudioRuns } from "./studio-runs.ts";

/** What a page shows. */
export const RunsContext = createContext<StudioRuns | null>(null);

/** The runs and their state. */
export function useRuns(): { readonly studio: StudioRuns; readonly state: State } {
  const studio = useContext(RunsContext) as StudioRuns;
  return { studio, state: useWatched(studio) };
}

const load = () => import("./draw.ts");

/** The drawings, once they are needed; null until they are there. */
export function useDrawings(needed: boolean): Awaited<ReturnType<typeof load>> | null {
  return useLoaded(load, needed);
}
