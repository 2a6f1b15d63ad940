/** Hash of the sources this bundle was built from; empty in development. */
declare const __BUNDLE__: string;
