import { asHearthError, toProblem } from '@hearth/contract';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Saves a third of the CPU time of a start. It lies in the checkout, so nobody writes it who may not write the code.
enableCompileCache(join(import.meta.dirname, '../../../.tools/compile-cache'));

// One clear line and what to do about it; never a stack trace.
try {
  const { start } = await import('./start.ts');
  await start(process.argv.slice(2));
} catch (error) {
  const { title, detail, hint } = toProblem(asHearthError(error));
  process.stderr.write(`hearth controller: ${title}: ${detail}\n${hint}\n`);
  process.exit(1);
}
