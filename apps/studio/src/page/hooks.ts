/** @file What components of both pages need: state that others change, and parts of the program that are loaded when they are needed. */
import { useEffect, useReducer, useState } from "preact/hooks";
import type { Watched } from "./watched.ts";

/** A state, drawn again when it changes: once a frame, or, in a hidden page, when it is back in front. */
export function useWatched<T extends object>(watched: Watched<T>): T {
  const [, again] = useReducer<number, void>((n) => n + 1, 0);
  useEffect(() => watched.watch(() => again()), [watched]);
  return watched.state;
}

/** What `load`, the same function each time, gives once it is needed; null until it is there. */
export function useLoaded<T extends object>(load: () => Promise<T>, needed: boolean): T | null {
  const [loaded, setLoaded] = useState<T | null>(null);
  useEffect(() => {
    if (needed && !loaded) void load().then((found) => setLoaded(() => found));
  }, [load, needed, loaded]);
  return loaded;
}
