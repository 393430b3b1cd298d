/** @file The module that the build makes of the committed results. */
declare module "virtual:results" {
  /** One experiment's. */
  export interface Result {
    readonly title: string;
    readonly paper: string;
    readonly command: string;
    readonly claims: readonly { readonly text: string; readonly holds: boolean | null; readonly evidence: string }[];
    /** Its first figure as markup. */
    readonly figure: string | null;
  }
  /** By the experiments' names. */
  export const results: Readonly<Record<string, Result | undefined>>;
}
