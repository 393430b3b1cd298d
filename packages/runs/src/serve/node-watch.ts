/** @file Says when something happens in folders, whoever writes there: by the file system's events, and by looking now and then where it has none. */
import { type FSWatcher, watch } from "node:fs";

/** Milliseconds in which events are gathered, and between looks without any: a process that is killed leaves no event. */
const [GATHER_MS, LOOK_MS] = [150, 2000];

/** Folders that are watched. */
export interface Watch {
  /** The folders from now on; those that are gone are no fault. */
  follow(folders: readonly string[]): void;
  /** Calls back soon. */
  touch(): void;
  close(): void;
}

/** Calls `onChange` when something changes, and never twice at a time. */
export function watchFolders(onChange: () => void): Watch {
  const watchers = new Map<string, FSWatcher>();
  let pending: NodeJS.Timeout | undefined;
  const touch = (): void => {
    pending ??= setTimeout(() => {
      pending = undefined;
      onChange();
    }, GATHER_MS);
  };
  const leave = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const look = setInterval(touch, LOOK_MS);
  return {
    follow(folders) {
      const wanted = new Set(folders);
      for (const folder of [...watchers.keys()]) if (!wanted.has(folder)) leave(folder);
      for (const folder of wanted) {
        if (watchers.has(folder)) continue;
        try {
          const watcher = watch(folder, { persistent: false }, touch);
          // A folder that goes away ends its watcher; one that comes back under its name gets another.
          watcher.on("error", () => leave(folder));
          watchers.set(folder, watcher);
        } catch {
          // Gone, or no more watchers are to be had: looking now and then finds what happens there.
        }
      }
    },
    touch,
    close() {
      clearTimeout(pending);
      clearInterval(look);
      for (const folder of [...watchers.keys()]) leave(folder);
    },
  };
}
