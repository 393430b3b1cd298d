/** @file What the build knows of the program that it builds. */

/** For records: the version, and the commit unless the sources are an installed package's. */
declare const PROGRAM: { readonly version: string; readonly commit: string | null };
