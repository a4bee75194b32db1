import { InvalidArgumentError, Option, type Command } from 'commander';
import type { LogsOptions } from '../logs/logs.ts';
import { parseWholeNumber, withApiOptions, withCommonOptions } from './common.ts';
import type { SupportOptions } from '../support/support-bundle.ts';

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `10m` ago, or a time; gives epoch milliseconds. */
export function parseSince(text: string, nowMs: number = Date.now()): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return nowMs - Number(count) * (secondsOf[unit] ?? 0) * 1000;
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError('expected 30s, 10m, 2h or 1d, or a time such as 2026-01-31T12:00:00Z.');
  return time;
}

export function addLogCommands(program: Command): void {
  withCommonOptions(program.command('logs'))
    .description('what controller, host daemon and guests logged, in one order (root, on the machine itself)')
    .option('--request <id>', 'of one request: its way from the API to the guest and back')
    .option('--vm <id>', 'of one VM')
    .addOption(new Option('--part <part>', 'of one of them').choices(['controller', 'host', 'guest']))
    .option('--since <when>', 'since 10m ago (s, m, h, d), or a time', (text: string) => parseSince(text))
    .addOption(
      new Option('--level <level>', 'only what is as serious, or more').choices([
        ...['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      ]),
    )
    .option('-n, --lines <count>', 'only the last so many lines', parseWholeNumber)
    .option('-f, --follow', 'go on as more comes')
    .addHelpText(
      'after',
      '\nWithout --request, --since and -n: the last 200 lines. Guests’ lines stand at the host’s time. All that a guest’s kernel and ' +
        'programs printed: hearth vm console ID',
    )
    .action(async (options: LogsOptions) => (await import('../logs/logs.ts')).showLogs(options));

  withApiOptions(program.command('support-bundle'))
    .description(
      'gather what is needed to find a fault, without secrets, in one file (root, on the machine itself)',
    )
    .option('-o, --out <file>', 'the new file; default: hearth-support-<name>-<time>.tar.gz in this folder')
    .action(async (options: SupportOptions) =>
      (await import('../support/support-bundle.ts')).makeSupportBundle(options),
    );
}
