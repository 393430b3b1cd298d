/**
 * @file Finds the Chromium that the browser tests drive; run as a script it installs one where it may, or says how to get one.
 *
 * `npm test` runs it before the tests. Test files import {@link findChromium}.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Names under which distributions install it. */
const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** Where it is on systems that do not put it into the PATH. */
const PLACES = ["/usr/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];

/**
 * The path of a Chromium or Chrome: `$CHROMIUM_PATH`, else one in the PATH or in a usual place; undefined if there is none.
 *
 * @param {Readonly<Record<string, string | undefined>>} [env]
 * @returns {string | undefined}
 * @throws Error when `$CHROMIUM_PATH` is set but is no program.
 */
export function findChromium(env = process.env) {
  const chosen = env["CHROMIUM_PATH"];
  if (chosen) {
    if (isProgram(chosen)) return chosen;
    throw new Error(`CHROMIUM_PATH (=${chosen}) must be the path of a Chromium or Chrome program; correct it, or unset it to have one looked for`);
  }
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command))), ...PLACES].find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const INSTRUCTIONS = `The browser tests need Chromium or Chrome, and none was found. Either
  - Debian, Ubuntu: sudo apt-get update && sudo apt-get install --yes --no-install-recommends chromium
  - elsewhere: install Google Chrome or Chromium
and, if it is not in the PATH, set CHROMIUM_PATH to its program.`;

/** Installs Debian's package; only root can. */
function install() {
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", "chromium"]]) {
    const { status } = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    if (status !== 0) return false;
  }
  return true;
}

function ensure() {
  let found = findChromium();
  if (!found && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    process.stderr.write("Installing Debian's chromium for the browser tests (apt-get, about 100 MB to download)\n");
    if (!install()) process.stderr.write("apt-get could not install it\n");
    found = findChromium();
  }
  if (!found) throw new Error(INSTRUCTIONS);
  const { status, stdout, stderr } = spawnSync(found, ["--version"], { encoding: "utf8", timeout: 30_000 });
  if (status !== 0) throw new Error(`${found} --version failed: ${stderr?.trim() || "no answer"}\n${INSTRUCTIONS}`);
  process.stdout.write(`${stdout.trim()} (${found})\n`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    ensure();
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
    process.exitCode = 1;
  }
}
