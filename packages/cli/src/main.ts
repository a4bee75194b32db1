import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Most of a short command's time is loading code; the cache lies beside the launcher's own tools.
enableCompileCache(fileURLToPath(new URL('../../../.tools/compile-cache', import.meta.url)));

const [{ main }, { exitCodes }] = await Promise.all([import('./program.ts'), import('./exit-codes.ts')]);
for (const stream of [process.stdout, process.stderr]) {
  // `hearth vm console … | head`: the reader went away, and that is no fault of ours.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.brokenPipe);
    throw error;
  });
}
process.exitCode = await main(process.argv.slice(2));
