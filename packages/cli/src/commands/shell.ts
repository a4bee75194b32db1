import { providerIds } from '@hearth/contract';
import { Option, type Command } from 'commander';
import type { ShellOptions } from '../shell/shell.ts';
import { withApiOptions } from './common.ts';

export function addShellCommand(program: Command): void {
  withApiOptions(program.command('shell'))
    .description('a terminal in your CLI VM; Ctrl-] leaves it running; exits with its exit code')
    .addOption(
      new Option('--provider <tool>', 'this tool instead of a shell')
        .choices(providerIds)
        .conflicts('terminal'),
    )
    .option('--vm <id>', 'in this CLI VM instead of your own one')
    .option('--terminal <id>', 'come back to this one')
    .option('--list', 'list the terminals that are open')
    .action(async (options: ShellOptions) => (await import('../shell/shell.ts')).openShell(options));
}
