import type { Command } from 'commander';
import type { FaultLabOptions } from '../lab.ts';

export function addLabCommand(program: Command): void {
  const lab = program
    .command('lab')
    .description('break things on purpose, in a Hearth of its own (root; real VMs)');
  lab
    .command('faults')
    .description('put each fault into a real VM or its host, and see whether `hearth why` names it')
    .option('--only <names...>', 'these faults alone')
    .option('--list', 'name the faults, and do nothing')
    .option('--json', 'results as JSON; the table goes to standard error')
    .action(async (options: FaultLabOptions) => (await import('../lab.ts')).runFaultLab(options));
}
