import type { Command } from 'commander';
import type { ProveOptions } from '../prove.ts';

export function addProveCommand(program: Command): void {
  program
    .command('prove')
    .description('prove that nothing is lost, leaked or untrue when parts are killed (root; real VMs)')
    .argument('<name>', 'crash, leaks or sequences')
    .option('--short', 'a fixed sample instead of everything')
    .option('--only <names>', 'these parts alone, e.g. create,host (crash) or fake (leaks)')
    .option('--json', 'results as JSON')
    .action(async (name: string, options: ProveOptions) =>
      (await import('../prove.ts')).runProof(name, options),
    );
}
