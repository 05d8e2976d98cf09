import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/**
 * The BFF serves `dist` at `/` under a content security policy of `default-src 'self'`, so nothing
 * may end up inline: no `data:` assets, no script or style in `index.html`.
 */
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // A polyfill would be the only code here that old browsers need and the target does not.
    modulePreload: { polyfill: false },
    // ECharts is one chunk of its own, loaded after sign-in.
    chunkSizeWarningLimit: 700,
  },
})
