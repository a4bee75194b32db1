import type { Command } from 'commander';
import type { StandInOptions } from '../stand-in.ts';
import { parsePort, parseWholeNumber, withApiOptions } from './common.ts';

export function addStandInCommand(program: Command): void {
  withApiOptions(program.command('stand-in'))
    .description(
      "start our stand-in of the model's API inside your CLI VM, to try `hearth run` without an account",
    )
    .option('--vm <id>', 'in this VM; else your newest CLI VM, or a new one')
    .option('--reply <text>', 'what it answers')
    .option('--delay-ms <ms>', 'wait before each word of the answer', parseWholeNumber)
    .option('--expect-key <key>', 'a made-up key; any other is refused with 401')
    .option('--port <port>', 'on the loopback of the VM', parsePort, 8787)
    .option('--stop', 'stop it')
    .action(async (options: StandInOptions) => (await import('../stand-in.ts')).standIn(options));
}
