import type { Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import { withApiOptions } from './common.ts';

/** `hearth why` and `hearth vm why`. */
export function addWhyCommand(parent: Command): void {
  withApiOptions(parent.command('why'))
    .description('why a VM can’t be reached: the first broken layer, what shows it and what to do')
    .argument('<id>')
    .option('--stored', 'what was kept when it failed or stopped answering, instead of looking now')
    .addHelpText(
      'after',
      '\nExit codes: 0 it is healthy, or not running (hibernated, deleted); 1 a layer is broken.',
    )
    .action(async (id: string, options: CommonOptions & { stored?: boolean }) =>
      (await import('../why/why.ts')).explainVm(id, options),
    );
}
