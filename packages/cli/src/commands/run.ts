import type { Command } from 'commander';
import type { RunToolOptions } from '../run/run-tool.ts';
import { withApiOptions } from './common.ts';

export function addRunCommand(program: Command): void {
  withApiOptions(program.command('run'))
    .description('give a prompt to an AI command-line tool in your CLI VM; exits with its exit code')
    .argument('<provider>', 'which tool: claude_code')
    .argument('<prompt>')
    .option(
      '--api-key-file <file>',
      'file that holds your API key; else the variable of the provider (ANTHROPIC_API_KEY)',
    )
    .option(
      '--base-url <address>',
      "another server than the maker's, as seen from the VM (or ANTHROPIC_BASE_URL)",
    )
    .option('--model <name>', 'which model')
    .option('--vm <id>', 'in this VM; else your newest CLI VM, or a new one')
    .action(async (provider: string, prompt: string, options: RunToolOptions) =>
      (await import('../run/run-tool.ts')).runTool(provider, prompt, options),
    );
}
