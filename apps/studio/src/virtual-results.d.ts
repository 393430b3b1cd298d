/** @file The module that the build makes of the committed results. */
declare module "virtual:results" {
  /** One experiment's. */
  export interface Result {
    readonly title: string;
    readonly paper: string;
    readonly command: string;
    readonly claims: readonly { readonly text: string; readonly holds: boolean | null; readonly evidence: string }[];
    /** Its first figure as markup, and what it shows: of which seed, what lines are. */
    readonly figure: { readonly markup: string; readonly caption: string } | null;
  }
  /** By the experiments' names. */
  export const results: Readonly<Record<string, Result | undefined>>;
}
