import { asHearthError, encodeLine, toProblem } from '@hearth/contract';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Saves a third of the CPU time of a start. It lies in the checkout, so nobody writes it who may not write the code.
enableCompileCache(join(import.meta.dirname, '../../../.tools/compile-cache'));

// One clear line and what to do about it; never a stack trace.
try {
  const { start } = await import('./start.ts');
  await start(process.argv.slice(2));
} catch (error) {
  const problem = toProblem(asHearthError(error));
  const { title, detail, hint } = problem;
  // For `hearth up`, which reads the log; the same form as the host daemon's.
  process.stdout.write(encodeLine({ level: 'fatal', part: 'controller', problem }));
  process.stderr.write(`hearth controller: ${title}: ${detail}\n${hint}\n`);
  process.exit(1);
}
