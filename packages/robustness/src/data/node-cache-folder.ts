/** @file Where downloaded data live on this machine. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * The data folder: `cacheDir` if given, else `$GRADALIGN_DATA`, else `gradalign` in the platform's cache folder
 * (`$XDG_CACHE_HOME` or `~/.cache`; `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on Windows).
 */
export function dataFolder(
  cacheDir?: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (cacheDir) return resolve(cacheDir);
  if (env.GRADALIGN_DATA) return resolve(env.GRADALIGN_DATA);
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "gradalign");
  if (platform === "win32") return join(env.LOCALAPPDATA || join(homedir(), "AppData", "Local"), "gradalign");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "gradalign");
  return join(homedir(), ".cache", "gradalign");
}
