/** @file How the user can call this command again. */

/** `gradalign`, or `npx gradalign` when npm started it and the command is likely not in the PATH. */
export function commandName(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env.npm_config_user_agent ? "npx gradalign" : "gradalign";
}
