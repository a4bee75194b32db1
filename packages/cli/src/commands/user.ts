import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import type { QuotaOptions } from '../users/quota.ts';
import { withApiOptions } from './common.ts';

export function addUserCommands(program: Command): void {
  const user = program.command('user').description('people, and what they may have at once (administrators)');

  withApiOptions(user.command('ls'))
    .alias('list')
    .description('list people with what they use and may use')
    .action(async (options: CommonOptions) => (await import('../users/list.ts')).listUsers(options));

  withApiOptions(user.command('quota'))
    .description('what one person may have at once; without an option it is shown')
    .argument('<user>', 'name or id')
    .option('--vms <n>', 'VMs, hibernated ones too', parseCount)
    .option('--mem <mib>', 'memory in MiB, or none: no limit but the host’s', parseLimit)
    .option('--cpus <n>', 'virtual processors, or none: no limit but the host’s', parseLimit)
    .addOption(
      new Option('--default', 'take back what was set: the configuration’s quota holds').conflicts([
        'vms',
        'mem',
        'cpus',
      ]),
    )
    .action(async (name: string, options: QuotaOptions) =>
      (await import('../users/quota.ts')).setQuota(name, options),
    );
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

function parseLimit(text: string): number | 'none' {
  if (text === 'none') return text;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number, or none.');
  return Number(text);
}
