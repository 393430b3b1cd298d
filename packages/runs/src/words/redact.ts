/** @file Texts of others, such as errors' messages, without secrets. */

/** Takes secrets out of texts, also where they are written as in addresses. */
export function redactor(secrets: readonly (string | undefined)[]): (text: string) => string {
  const hidden = secrets.flatMap((secret) => (secret ? [secret, encodeURIComponent(secret)] : []));
  return (text) => hidden.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
}
