/** @file Says when something happens in folders, whoever writes there: by the file system's events, and by looking now and then where it has none. */
import { type FSWatcher, watch } from "node:fs";
import { turns } from "./node-turns.ts";

/** Milliseconds in which events are gathered, and between looks without any: a process that is killed leaves no event. */
const [GATHER_MS, LOOK_MS] = [150, 2000];
/** A look is followed by so many times the processor's time that it took: through thousands of folders it takes a while. */
const REST = 9;

/** Folders that are watched. */
export interface Watch {
  /** The folders from now on; those that are gone are no fault. */
  follow(folders: readonly string[]): Promise<void>;
  /** Calls back soon. */
  touch(): void;
  close(): void;
}

/** Calls `onChange` when something changes, and never twice at a time. */
export function watchFolders(onChange: () => Promise<void>): Watch {
  const watchers = new Map<string, FSWatcher>();
  let pending: NodeJS.Timeout | undefined;
  let isLooking = false;
  let isNews = false;
  let isClosed = false;
  let wait = GATHER_MS;
  const touch = (): void => {
    isNews = true;
    if (isLooking || isClosed) return;
    pending ??= setTimeout(look, wait);
  };
  const look = async (): Promise<void> => {
    [pending, isLooking, isNews] = [undefined, true, false];
    const before = process.cpuUsage();
    await onChange();
    const { user, system } = process.cpuUsage(before);
    wait = Math.max(GATHER_MS, (REST * (user + system)) / 1000);
    isLooking = false;
    if (isNews) touch();
  };
  const leave = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const clock = setInterval(touch, LOOK_MS);
  return {
    async follow(folders) {
      const rest = turns();
      const wanted = new Set(folders);
      for (const folder of [...watchers.keys()]) if (!wanted.has(folder)) leave(folder);
      for (const folder of wanted) {
        if (isClosed) return;
        if (watchers.has(folder)) continue;
        try {
          const watcher = watch(folder, { persistent: false }, touch);
          // A folder that goes away ends its watcher; one that comes back under its name gets another.
          watcher.on("error", () => leave(folder));
          watchers.set(folder, watcher);
        } catch {
          // Gone, or no more watchers are to be had: looking now and then finds what happens there.
        }
        await rest();
      }
    },
    touch,
    close() {
      isClosed = true;
      clearTimeout(pending);
      clearInterval(clock);
      for (const folder of [...watchers.keys()]) leave(folder);
    },
  };
}
