/**
 * How the operator's page is built: `scripts/build-page.mjs` calls this, for dist/dashboard/.
 *
 * Invariants
 * - All addresses are relative, so that the page works below any path.
 * - Nothing is inlined: the page's policy lets in neither inline scripts nor inline styles.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  logLevel: 'error',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
})
