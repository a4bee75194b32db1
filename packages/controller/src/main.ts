import { asHearthError, toProblem } from '@hearth/contract';
import { start } from './start.ts';

// One clear line and what to do about it; never a stack trace.
try {
  await start(process.argv.slice(2));
} catch (error) {
  const { title, detail, hint } = toProblem(asHearthError(error));
  process.stderr.write(`hearth controller: ${title}: ${detail}\n${hint}\n`);
  process.exit(1);
}
