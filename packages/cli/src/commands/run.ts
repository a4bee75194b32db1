import { Argument, InvalidArgumentError, type Command } from 'commander';
import { providerIds, type ProviderId } from '@hearth/contract';
import type { CommonOptions } from '../context.ts';
import type { RunOptions } from '../runs/run-prompt.ts';
import { parseSeconds, parseWholeNumber, withApiOptions } from './common.ts';

export function addRunCommands(program: Command): void {
  withApiOptions(program.command('run'))
    .description('give a prompt to an AI command-line tool in your CLI VM; exits with its exit code')
    .addArgument(new Argument('<provider>', `which tool: ${providerIds.join(', ')}`).choices(providerIds))
    .argument('<prompt>', '- reads it from standard input')
    .option('--model <name>', 'which model')
    .option(
      '--base-url <address>',
      "another server than the maker's, as seen from the VM (or the tool's own variable, such as ANTHROPIC_BASE_URL)",
    )
    .option('--cwd <folder>', 'where it works, inside /home/hearth; /home/hearth/work where left out')
    .option('--continue <session>', 'go on with an earlier conversation: its session in `hearth runs show`')
    .option('--file <path>', 'put a file into the folder first (repeatable)', collectPath)
    .option('--timeout <seconds>', 'end it after so long', parseSeconds)
    .option('--vm <id>', 'in this CLI VM instead of your own one')
    .action(async (provider: ProviderId, prompt: string, options: RunOptions) =>
      (await import('../runs/run-prompt.ts')).runPrompt(provider, prompt, options),
    );

  const runs = program.command('runs').description('look at runs, and cancel them');
  withApiOptions(runs.command('ls'))
    .alias('list')
    .description('list your runs, the newest first')
    .option('--limit <n>', 'how many', parseWholeNumber)
    .action(async (options: CommonOptions & { limit?: number }) =>
      (await import('../runs/list.ts')).listRuns(options),
    );
  withApiOptions(runs.command('show'))
    .description('all that is known of one run, and what it changed, as a diff')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../runs/show.ts')).showRun(id, options),
    );
  withApiOptions(runs.command('events'))
    .description('what a run said, and says; exits with the exit code of its tool')
    .argument('<id>')
    .option('--after <n>', 'only what came behind this event', parseNumber)
    .action(async (id: string, options: CommonOptions & { after?: number }) =>
      (await import('../runs/events.ts')).showEvents(id, options),
    );
  withApiOptions(runs.command('cancel'))
    .description('take a run out of the queue, or end its tool')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../runs/cancel.ts')).cancelRun(id, options),
    );
}

const collectPath = (path: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), path];

function parseNumber(text: string): number {
  if (!/^(-1|\d{1,9})$/.test(text)) throw new InvalidArgumentError('expected the number of an event.');
  return Number(text);
}
