/** @file The studio in components, and the drawings, which are loaded when there is something to draw. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { AttackRoom, AttackState } from "./attack-room.ts";
import { useLoaded, useWatched } from "./hooks.ts";
import type { State } from "./state.ts";
import type { Studio } from "./studio.ts";

/** The studio that a page shows. */
export const StudioContext = createContext<Studio | null>(null);

/** The studio and its state. */
export function useStudio(): { readonly studio: Studio; readonly state: State } {
  const studio = useContext(StudioContext) as Studio;
  return { studio, state: useWatched(studio) };
}

/** The attack on a model and its state; a change of it alone draws nothing else. */
export function useAttacks(): { readonly room: AttackRoom; readonly attack: AttackState } {
  const { attacks } = useContext(StudioContext) as Studio;
  return { room: attacks, attack: useWatched(attacks) };
}

const load = () => import("./charts.ts");

/** The drawings, once they are needed; null until they are there. */
export function useCharts(needed: boolean): Awaited<ReturnType<typeof load>> | null {
  return useLoaded(load, needed);
}
