import type { Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import type { DownOptions } from '../setup/down.ts';
import type { UpOptions } from '../setup/up.ts';
import { withApiOptions, withCommonOptions } from './common.ts';

export function addServiceCommands(program: Command): void {
  withCommonOptions(program.command('up'))
    .description('set this machine up where needed and start Hearth (root); safe to repeat')
    .option('-d, --detach', 'return once it is up, instead of staying in the foreground')
    .option('-y, --yes', 'install missing Debian packages without asking')
    .action(async (options: UpOptions) => (await import('../setup/up.ts')).up(options));

  withCommonOptions(program.command('down'))
    .description('delete all VMs but hibernated ones, and stop Hearth (root)')
    .option('--keep-vms', 'leave VMs running; the next `up` adopts them')
    .option('--purge', 'remove its state (database, consoles, tokens, hibernated VMs) as well; images stay')
    .action(async (options: DownOptions) => (await import('../setup/down.ts')).down(options));

  withCommonOptions(program.command('status'))
    .description('what runs and whether it is well; exits with 3 if nothing runs')
    .action(async (options: CommonOptions) => (await import('../setup/status.ts')).status(options));

  withApiOptions(program.command('link'))
    .description('make a link that signs one browser in, once (administrators)')
    .action(async (options: CommonOptions) => (await import('../setup/up.ts')).printSigninLink(options));
}
