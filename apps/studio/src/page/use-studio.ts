/** @file The studio in components, and the drawings, which are loaded when there is something to draw. */
import { createContext } from "preact";
import { useContext, useEffect, useReducer, useState } from "preact/hooks";
import type { AttackRoom, AttackState } from "./attack-room.ts";
import type { State } from "./state.ts";
import type { Studio } from "./studio.ts";
import type { Watched } from "./watched.ts";

/** The studio that a page shows. */
export const StudioContext = createContext<Studio | null>(null);

/** The studio and its state, drawn again when that changes: once a frame, or, in a hidden page, when it is back in front. */
export function useStudio(): { readonly studio: Studio; readonly state: State } {
  const studio = useContext(StudioContext) as Studio;
  return { studio, state: useWatched(studio) };
}

/** The attack on a model and its state; a change of it alone draws nothing else. */
export function useAttacks(): { readonly room: AttackRoom; readonly attack: AttackState } {
  const { attacks } = useContext(StudioContext) as Studio;
  return { room: attacks, attack: useWatched(attacks) };
}

function useWatched<T extends object>(watched: Watched<T>): T {
  const [, again] = useReducer<number, void>((n) => n + 1, 0);
  useEffect(() => watched.watch(() => again()), [watched]);
  return watched.state;
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
