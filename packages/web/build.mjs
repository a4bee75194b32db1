// Builds the pages into dist/: index.html and assets with hashed names. node build.mjs [output folder]
import react from '@vitejs/plugin-react';
import { dirname, join, sep } from 'node:path';
import { build } from 'vite';

const here = import.meta.dirname;
const outDir = process.argv[2] ?? join(here, 'dist');

/** The modules of these do nothing but define: what is unused of them is left out. Of zod's fifty languages only English is needed. */
const pure = ['contract', 'zod', 'ipaddr.js'].map((name) => `${sep}${name}${sep}`);
const lean = {
  name: 'lean',
  enforce: 'pre',
  load(id) {
    if (/zod\/v4\/locales\/index\.js$/.test(id)) return "export { default as en } from './en.js';";
    if (/zod\/index\.js$/.test(id)) return "export * as z from './v4/classic/external.js';";
    return null;
  },
};

await build({
  configFile: false,
  root: here,
  base: '/',
  logLevel: 'warn',
  plugins: [lean, react()],
  // `import { z } from 'zod'` of the contract is the same module as ours.
  resolve: { dedupe: ['zod', 'react', 'react-dom'] },
  build: {
    outDir,
    emptyOutDir: true,
    // noVNC waits for a promise at its top level.
    target: 'es2022',
    sourcemap: false,
    // The pages' policy allows no data: scripts and styles; a picture of any size is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      treeshake: {
        moduleSideEffects: (id) =>
          id.endsWith('.css') || !pure.some((part) => dirname(id).concat(sep).includes(part)),
      },
    },
  },
});
