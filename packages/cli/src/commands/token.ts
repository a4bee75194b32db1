import { Option, type Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import type { CreateTokenOptions } from '../tokens.ts';
import { parseWholeNumber, withApiOptions } from './common.ts';

export function addTokenCommands(program: Command): void {
  const token = program
    .command('token')
    .description('make, list and revoke tokens of the API (administrators)');

  withApiOptions(token.command('create'))
    .description('make a token; it is shown this once')
    .addOption(new Option('--role <role>', 'what it may do').choices(['admin', 'user']).makeOptionMandatory())
    .option('--user <name>', 'whose it is; a new user where left out')
    .option('--expires-in-days <n>', 'never expires where left out', parseWholeNumber)
    .action(async (options: CreateTokenOptions) => (await import('../tokens.ts')).createToken(options));

  withApiOptions(token.command('ls'))
    .alias('list')
    .description('list tokens, without their secrets')
    .action(async (options: CommonOptions) => (await import('../tokens.ts')).listTokens(options));

  withApiOptions(token.command('rm'))
    .alias('revoke')
    .description('revoke a token')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../tokens.ts')).revokeToken(id, options),
    );
}
