import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Two pages: the app, and the waiting room, which shares nothing with it because everybody loads it at once.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../build/web',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // Inlined files would be data: URLs in scripts, and the waiting room has one file of each kind anyway.
    assetsInlineLimit: 0,
    rollupOptions: { input: { index: 'index.html', waiting: 'waiting.html' } },
  },
  // `npx vite` while working on it, beside a running `./dev up`.
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/waiting': { target: 'http://127.0.0.1:5173', rewrite: () => '/waiting.html' } } },
});
