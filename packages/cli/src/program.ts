import { Command, CommanderError } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addConnectCommands } from './commands/connect.ts';
import { addHostCommands } from './commands/host.ts';
import { addImageCommands } from './commands/image.ts';
import { addLabCommand } from './commands/lab.ts';
import { addLogCommands } from './commands/logs.ts';
import { addProveCommand } from './commands/prove.ts';
import { addRunCommands } from './commands/run.ts';
import { addServiceCommands } from './commands/services.ts';
import { addShellCommand } from './commands/shell.ts';
import { addSnapshotCommands } from './commands/snapshot.ts';
import { addStandInCommand } from './commands/stand-in.ts';
import { addTestCommand } from './commands/test.ts';
import { addTokenCommands } from './commands/token.ts';
import { addUserCommands } from './commands/user.ts';
import { addVmCommands } from './commands/vm.ts';
import { addWhyCommand } from './commands/why.ts';
import { Exit, exitCodes } from './exit-codes.ts';

const FOOTER = `
Exit codes: 0 ok, 1 failure, 2 wrong words on the command line, 3 Hearth is not running;
\`why\`, \`host drift\` and \`host sweep\` exit with 1 where something is broken or stays;
\`vm exec\` and \`run\` exit with the code of the command in the VM.
Where: --url or HEARTH_URL, else the configuration (--config, HEARTH_CONFIG or /etc/hearth/hearth.json).
Who: --token-file or HEARTH_TOKEN, else the administrator's token of this machine where it may be read.
First steps: hearth up · hearth signin claude_code · hearth run claude_code "hello"`;

/** Only words and options are known here; what a command does is loaded when it runs. */
export function makeProgram(): Command {
  const program = new Command('hearth')
    .description('MicroVMs of your own in which AI command-line tools run.')
    .version('0.1.0', '-V, --version')
    .addHelpText('after', FOOTER)
    .showSuggestionAfterError(true);
  addServiceCommands(program);
  addVmCommands(program);
  addWhyCommand(program);
  addHostCommands(program);
  addUserCommands(program);
  addConnectCommands(program);
  addRunCommands(program);
  addShellCommand(program);
  addLogCommands(program);
  addTokenCommands(program);
  addImageCommands(program);
  addSnapshotCommands(program);
  addStandInCommand(program);
  addTestCommand(program);
  addBenchCommand(program);
  addLabCommand(program);
  addProveCommand(program);
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(`${text}usage: ${usageOf(command)}\n`),
    });
  }
  return program;
}

function usageOf(command: Command): string {
  const names = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `${names.join(' ')} ${command.usage()}   (more: --help)`;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Runs one command line. Returns the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const json = wantsJson(words);
  const program = makeProgram();
  if (json) {
    for (const command of everyCommand(program))
      command.configureOutput({ outputError: () => undefined, writeErr: () => undefined });
  }
  try {
    await program.parseAsync([...words], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof Exit) return error.exitCode;
    if (error instanceof CommanderError) return await usageExit(error, json);
    const { reportError } = await import('./terminal/problem.ts');
    return reportError(error, { json, verbose: wantsVerbose(words) });
  }
}

async function usageExit(error: CommanderError, json: boolean): Promise<number> {
  if (error.exitCode === 0) return exitCodes.ok;
  if (json) {
    const [{ HearthError }, { reportError }] = await Promise.all([
      import('@hearth/contract'),
      import('./terminal/problem.ts'),
    ]);
    const hint = 'See `hearth --help` and `hearth COMMAND --help`.';
    const detail =
      error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
    reportError(new HearthError('bad_request', detail, { hint }), { json, verbose: false });
  }
  return exitCodes.usage;
}

/** Words behind `--` belong to the command in the VM. */
const ownWords = (words: readonly string[]): readonly string[] =>
  words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
const wantsJson = (words: readonly string[]): boolean => ownWords(words).includes('--json');
const wantsVerbose = (words: readonly string[]): boolean => ownWords(words).includes('--verbose');
