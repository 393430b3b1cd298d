/** @file A folder as an object store; whatever copies or shares it, renames and links in it are what must be exclusive. */
import { randomUUID } from "node:crypto";
import { linkSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { makeFolder, onFile, readIfThere, writeFileAtomic } from "@gradalign/robustness/node";
import type { ObjectStore } from "./object-store.ts";

/** The store in a folder, which is made with its first object. */
export function directoryStore(folder: string): ObjectStore {
  const root = resolve(folder);
  const at = (name: string): string => join(root, name);
  return {
    shown: root,
    async list(beginning) {
      const below = at(beginning);
      return onFile("read", below, () => {
        try {
          const files = readdirSync(below, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.startsWith("."));
          return files.map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/")).sort();
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
          throw error;
        }
      });
    },
    async get(name) {
      return readIfThere(at(name));
    },
    async put(name, bytes) {
      makeFolder(dirname(at(name)));
      writeFileAtomic(at(name), bytes);
    },
    async create(name, bytes) {
      const [target, temporary] = [at(name), join(dirname(at(name)), `.${randomUUID()}.tmp`)];
      makeFolder(dirname(target));
      return onFile("write", target, () => {
        try {
          writeFileSync(temporary, bytes, { flag: "wx", flush: true });
          // Unlike a rename, a link is refused where there is something.
          linkSync(temporary, target);
          return true;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
          throw error;
        } finally {
          rmSync(temporary, { force: true });
        }
      });
    },
    async remove(name) {
      onFile("remove", at(name), () => rmSync(at(name), { force: true }));
    },
  };
}
