/** @file What a program imports: the library. The command of this package starts in `main.ts`. */
export * from "@gradalign/robustness";
