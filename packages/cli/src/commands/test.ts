import { Option, type Command } from 'commander';
import { tierNames } from '../tiers/tier-names.ts';
import type { TestOptions } from '../tiers/run-tiers.ts';

export function addTestCommand(program: Command): void {
  program
    .command('test')
    .description('run every tier of the tests, after doing what set-up they need (system and vm: root)')
    .addOption(new Option('--tier <tier...>', 'only these').choices([...tierNames]))
    .option('--json', 'print one JSON line per tier and one for the whole')
    .option('--verbose', 'show the whole output of each tier, not only of those that fail')
    .option('--config <file>', 'configuration file (JSON): where images are kept')
    .action(async (options: TestOptions) => (await import('../tiers/run-tiers.ts')).runTiers(options));
}
