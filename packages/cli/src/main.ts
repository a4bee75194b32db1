import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Most of a short command's time is loading code; the cache lies beside the launcher's own tools.
enableCompileCache(fileURLToPath(new URL('../../../.tools/compile-cache', import.meta.url)));

const { main } = await import('./program.ts');
process.exitCode = await main(process.argv.slice(2));
