/** @file How numbers are written for people, in the terminal and in reports. */

/** A fraction as a percentage: `18.4 %`; a dash for what was not measured. */
export function percent(fraction: number | null | undefined): string {
  return fraction === null || fraction === undefined || !Number.isFinite(fraction) ? "–" : `${(100 * fraction).toFixed(1)} %`;
}

/** A number with so many decimals; a dash for what was not measured. */
export function decimals(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);
}

/** A radius in pixel units as the literature writes it: `10/255`. */
export function radius(epsilon: number): string {
  return `${Number((epsilon * 255).toFixed(4))}/255`;
}

/** An attack's full name in words: `PGD-50-10` for 50 steps from 10 starts. */
export function attackName(attack: string): string {
  return attack.toUpperCase();
}

/** Seconds as `8 s`, `2:05` or `1:02:05`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** A count with thin groups of three digits: `11,171,146`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Bytes as `170.1 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const power = Math.min(3, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toFixed(1)} ${["", "kB", "MB", "GB"][power]}`;
}

/** What ran the program: a version is Node's, anything else a browser's name. */
export function engineName(node: string): string {
  return /^\d/.test(node) ? `Node ${node}` : node;
}
