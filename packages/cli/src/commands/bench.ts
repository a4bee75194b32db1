import type { Command } from 'commander';

export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('measure; figures with their goals (root)')
    .argument('<name>', 'a file of bench/, e.g. boot')
    .option('--json', 'figures as JSON')
    .option('--check', 'exit with 1 where a figure misses its goal')
    .action(async (name: string, options: { json?: boolean; check?: boolean }) =>
      (await import('../bench.ts')).runBench(name, options),
    );
}
