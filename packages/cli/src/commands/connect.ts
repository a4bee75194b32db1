import type { Command } from 'commander';
import type { ProviderId } from '@hearth/contract';
import type { KeyOptions } from '../connect/credentials.ts';
import type { CommonOptions } from '../context.ts';
import { withApiOptions } from './common.ts';

const PROVIDER = 'which tool: claude_code, codex, gemini_cli, …';
type Words = KeyOptions & { method?: string };

const KEY_FILE = 'file that holds your API key; - reads it from standard input';

/** Connecting providers, and what is connected. */
export function addConnectCommands(program: Command): void {
  withApiOptions(program.command('signin'))
    .description('connect a tool: sign in on a browser VM of its own, or give an API key')
    .argument('<provider>', PROVIDER)
    .option('--method <method>', "how; the tool's recommended way where left out")
    .option('--api-key-file <file>', `instead of a sign-in: ${KEY_FILE}`)
    .action(async (name: string, options: Words, command: Command) => {
      const { loginMethods, providerIds } = await import('@hearth/contract');
      const provider = oneOf(command, "argument 'provider'", name, providerIds);
      const { method: wanted, ...rest } = options;
      const method =
        wanted === undefined ? {} : { method: oneOf(command, "option '--method'", wanted, loginMethods) };
      await (await import('../connect/sign-in.ts')).signIn(provider, { ...rest, ...method });
    });

  const credentials = program.command('credentials').description('what is connected; never the secrets');
  withApiOptions(credentials.command('ls'))
    .alias('list')
    .description('list what is connected')
    .action(async (options: CommonOptions) =>
      (await import('../connect/credentials.ts')).listCredentials(options),
    );
  withApiOptions(credentials.command('rm'))
    .alias('remove')
    .description('disconnect a tool: its secret is gone from the vault')
    .argument('<provider>', PROVIDER)
    .action(async (name: string, options: CommonOptions, command: Command) => {
      const provider = await providerOf(command, name);
      await (await import('../connect/credentials.ts')).removeCredential(provider, options);
    });
  withApiOptions(credentials.command('set-key'))
    .description(
      "connect a tool by an API key; without --api-key-file from the tool's own variable, or asked for",
    )
    .argument('<provider>', PROVIDER)
    .option('--api-key-file <file>', KEY_FILE)
    .action(async (name: string, options: KeyOptions, command: Command) => {
      const provider = await providerOf(command, name);
      await (await import('../connect/credentials.ts')).setKey(provider, options);
    });

  const vault = program.command('vault').description('the vault of credentials (administrators)');
  withApiOptions(vault.command('rotate'))
    .description('encrypt every secret anew with a new master key')
    .action(async (options: CommonOptions) => (await import('../connect/vault.ts')).rotateVault(options));
}

async function providerOf(command: Command, name: string): Promise<ProviderId> {
  const { providerIds } = await import('@hearth/contract');
  return oneOf(command, "argument 'provider'", name, providerIds);
}

/** The contract's own lists, which are loaded only where a command needs them; else like commander's `choices`. */
function oneOf<T extends string>(command: Command, what: string, word: string, known: readonly T[]): T {
  const found = known.find((one) => one === word);
  if (found !== undefined) return found;
  return command.error(
    `error: ${what} is '${word}', which is not known. Allowed choices are ${known.join(', ')}.`,
    { code: 'commander.invalidArgument' },
  );
}
