// Bundles the agent into one file: node build.mjs [output file]
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

const here = import.meta.dirname;
const output = process.argv[2] ?? join(here, 'dist/agent.mjs');
/** As long as the real hash, so that putting that in its place changes nothing else. */
const PLACEHOLDER = '+00000000';

/**
 * Each kilobyte counts: under software emulation a VM's Node needs seconds to start. The modules of contract, rfb and zod have no
 * side effects, so unused ones are left out; of zod's fifty languages only English is needed.
 */
const lean = {
  name: 'lean',
  setup(bundle) {
    bundle.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
    bundle.onLoad({ filter: /zod\/index\.js$/ }, ({ path }) => ({
      contents: "export * as z from './v4/classic/external.js';",
      resolveDir: dirname(path),
    }));
    bundle.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...where }) => {
      if (pluginData === 'lean') return undefined;
      const found = await bundle.resolve(path, { ...where, pluginData: 'lean' });
      const pure = ['contract', 'rfb', 'zod', 'ipaddr.js'].some((name) =>
        found.path.includes(`${sep}${name}${sep}`),
      );
      return pure ? { ...found, sideEffects: false } : found;
    });
  },
};

const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));
const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.ts'],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  sourcemap: false,
  charset: 'utf8',
  define: { HEARTH_AGENT_VERSION: JSON.stringify(version + PLACEHOLDER) },
  plugins: [lean],
});
const text = outputFiles[0].text;
// The hash of the bundle itself: it changes when any source or library in it does, and only then.
const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
await mkdir(dirname(output), { recursive: true });
await writeFile(`${output}.part`, text.replaceAll(PLACEHOLDER, `+${hash}`), { mode: 0o644 });
await rename(`${output}.part`, output);
console.log(`${output} ${version}+${hash} ${text.length} bytes`);
