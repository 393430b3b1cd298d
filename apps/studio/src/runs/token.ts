/** @file The token with which runs can be started: it comes behind the address, where no server sees it, and is kept for this server's pages. */

const KEY = "gradalign-token";

/** The token of this address, or of one that was opened before; the address is then without it. Null for none. */
export function takeToken(): string | null {
  const [, found] = /(?:^#|&)token=([\w-]+)/.exec(location.hash) ?? [];
  if (found !== undefined) {
    keep(found);
    history.replaceState(null, "", location.pathname + location.search);
    return found;
  }
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function keep(token: string): void {
  try {
    localStorage.setItem(KEY, token);
  } catch {
    // Where nothing may be stored, the token is this page's alone.
  }
}
