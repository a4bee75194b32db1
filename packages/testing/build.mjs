// Bundles the stand-in into one file that runs anywhere, in a VM too: node build.mjs [output file]
import { build } from 'esbuild';
import { join } from 'node:path';

const here = import.meta.dirname;
const outfile = process.argv[2] ?? join(here, 'dist/stand-in.mjs');
await build({
  absWorkingDir: here,
  entryPoints: ['src/stand-in/main.ts'],
  bundle: true,
  outfile,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
});
console.log(outfile);
