/**
 * @file The user's npm settings that decide how a registry is reached: address, token, certificates, proxy.
 *
 * Companies route npm through their own registry or proxy; a download from the registry should work wherever `npm install` does.
 */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { shown } from "@gradalign/formats";
import { ConfigError } from "@gradalign/tensor";
import { LIMITS } from "../limits.ts";
import { firstBytes } from "./node-first-bytes.ts";

/** npm settings by lower-case key, e.g. `registry` or `//host/:_authtoken`. */
export type NpmConfig = ReadonlyMap<string, string>;

const DEFAULT_REGISTRY = "https://registry.npmjs.org/";

/**
 * Reads npm's settings: `npm_config_*` variables over the project's, the user's and the global `.npmrc`.
 * Unreadable files count as absent, as they do for npm.
 *
 * @throws ConfigError when a file is too long to be one of settings.
 */
export function readNpmConfig(env: Readonly<Record<string, string | undefined>> = process.env, folder: string = process.cwd()): NpmConfig {
  const config = new Map<string, string>();
  const global = env.npm_config_globalconfig ?? join(dirname(dirname(process.execPath)), "etc", "npmrc");
  const user = env.npm_config_userconfig ?? env.NPM_CONFIG_USERCONFIG ?? join(homedir(), ".npmrc");
  for (const file of [global, user, join(folder, ".npmrc")]) {
    const text = readSettings(file);
    for (const [key, value] of parseNpmrc(text, env)) config.set(key, value);
  }
  for (const [name, value] of Object.entries(env)) {
    const match = /^npm_config_(.+)$/i.exec(name);
    if (!match || !value) continue;
    const key = (match[1] as string).toLowerCase();
    // npm spells settings with dashes and their variables with underscores, but registry-scoped keys are kept as they are.
    config.set(key.startsWith("//") ? key : key.replace(/(?!^)_/g, "-"), value);
  }
  return config;
}

/** An npmrc's text; empty when there is none, or something that is no file. */
function readSettings(file: string): string {
  let bytes: Buffer;
  try {
    if (!statSync(file).isFile()) return "";
    bytes = firstBytes(file, LIMITS.npmrc + 1);
  } catch {
    return "";
  }
  if (bytes.length > LIMITS.npmrc)
    throw new ConfigError(`npm's settings ${file} must have at most ${LIMITS.npmrc} bytes; name another file in npm_config_userconfig`);
  return bytes.toString("utf8");
}

/** Parses an ini-style `.npmrc`, replacing `${NAME}` by the variable's value. */
export function parseNpmrc(text: string, env: Readonly<Record<string, string | undefined>>): [key: string, value: string][] {
  const entries: [string, string][] = [];
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    const equals = line.indexOf("=");
    if (equals < 1 || line.startsWith("#") || line.startsWith(";")) continue;
    const value = line
      .slice(equals + 1)
      .trim()
      .replace(/^(["'])(.*)\1$/, "$2")
      .replace(/\$\{([^${}]+)\}/g, (whole, name: string) => env[name] ?? whole);
    entries.push([line.slice(0, equals).trim().toLowerCase(), value]);
  }
  return entries;
}

/**
 * The registry's base address, ending in a slash.
 *
 * @throws ConfigError when the setting is no http or https address.
 */
export function npmRegistry(config: NpmConfig): string {
  const registry = config.get("registry");
  if (!registry) return DEFAULT_REGISTRY;
  if (!isHttpAddress(registry)) throw wrongSetting("registry", registry, "an http or https address");
  // As it is understood: what surrounds an address, control characters too, does not count.
  const { href } = new URL(registry);
  return href.endsWith("/") ? href : `${href}/`;
}

/** Address of a package's archive, for `NAME@VERSION`. */
export function npmTarball(config: NpmConfig, specifier: string): string {
  const at = specifier.lastIndexOf("@");
  const [name, version] = [specifier.slice(0, at), specifier.slice(at + 1)];
  return `${npmRegistry(config)}${name}/-/${name.slice(name.indexOf("/") + 1)}-${version}.tgz`;
}

/**
 * The `authorization` header for an address, from the longest `//host/path/:_authToken` (or `:_auth`) setting that covers it.
 *
 * @throws ConfigError when it cannot be sent; the secret itself is not shown.
 */
export function npmAuthorization(config: NpmConfig, url: string): string | undefined {
  const { host, pathname } = new URL(url);
  const segments = pathname.split("/");
  for (let length = segments.length; length >= 1; length--) {
    const path = segments.slice(0, length).join("/");
    for (const scope of [`//${host}${path}/`, `//${host}${path}`]) {
      for (const [key, scheme] of [
        ["_authtoken", "Bearer"],
        ["_auth", "Basic"],
      ] as const) {
        const secret = config.get(`${scope.toLowerCase()}:${key}`);
        if (!secret) continue;
        if (/^\$\{[^}]*\}$/.test(secret)) throw wrongSetting(`${scope}:${key}`, secret, "a secret, or name an environment variable that is set");
        if (!/^[\x21-\x7e]+$/.test(secret)) throw wrongSetting(`${scope}:${key}`, "…", "printable ASCII without spaces");
        return `${scheme} ${secret}`;
      }
    }
  }
  return undefined;
}

/** Whether a text is an address that can be asked over HTTP. */
export function isHttpAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** The complaint about one of npm's settings. */
export function wrongSetting(name: string, value: string, rule: string): ConfigError {
  return new ConfigError(`npm's setting ${name} (=${shown(value)}) must be ${rule}; correct it in .npmrc or the environment`);
}
