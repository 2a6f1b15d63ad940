// The build of the page: hashed files, one chunk per page, nothing inline, so that a strict CSP holds.
import { defineConfig } from "vite";

const server = process.env.QUAERO_SERVER ?? "http://127.0.0.1:8085";

export default defineConfig({
  define: { __BUNDLE__: JSON.stringify(process.env.QUAERO_BUNDLE ?? "") },
  build: {
    target: "es2022",
    outDir: process.env.QUAERO_UI_OUT ?? "../src/quaero/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
  },
  server: {
    proxy: { "/api": server, "/ws": { target: server, ws: true } },
  },
});
