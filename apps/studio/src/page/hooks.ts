/** @file What components of both pages need: state that others change, and parts of the program that are loaded when they are needed. */
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
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

/** Gives a function by which the keyboard's focus is moved on when what has it goes or is disabled: to the first element of these that can have it then. */
export function useFocusMove(): (...to: readonly string[]) => void {
  const wanted = useRef<{ readonly from: Element | null; readonly to: readonly string[] } | null>(null);
  useEffect(() => {
    const { activeElement, body } = document;
    if (!wanted.current) return;
    const { from, to } = wanted.current;
    const isLost = activeElement === null || activeElement === body || activeElement.matches(":disabled");
    // Where it is elsewhere by now it stays.
    if (!isLost && activeElement !== from) wanted.current = null;
    const next = isLost
      ? to.map((selector) => document.querySelector<HTMLElement>(selector)).find((element) => element && !element.matches(":disabled"))
      : null;
    if (!next) return;
    wanted.current = null;
    next.focus({ preventScroll: true });
  });
  return (...to) => {
    wanted.current = { from: document.activeElement, to };
  };
}
