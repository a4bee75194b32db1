import { Option, type Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import type { DrainOptions } from '../host/drain.ts';
import { parseSeconds, withApiOptions } from './common.ts';

const DRAIN_SECONDS = 600;

export function addHostCommands(program: Command): void {
  const host = program.command('host').description('the machine that runs the VMs (administrators)');

  withApiOptions(host.command('status'))
    .description('what is free, whether VMs are created, what is wrong')
    .action(async (options: CommonOptions) => (await import('../host/status.ts')).showHost(options));

  withApiOptions(host.command('drift'))
    .description('where the machine disagrees with what Hearth wrote down, and what was done about it')
    .option('--now', 'compare now, instead of telling of the last pass')
    .addHelpText('after', '\nExit codes: 0 all is as it should be; 1 something could not be repaired.')
    .action(async (options: CommonOptions & { now?: boolean }) =>
      (await import('../host/drift.ts')).showDrift(options),
    );

  withApiOptions(host.command('sweep'))
    .description('remove what VMs left behind: processes, TAPs, leases, files without a record')
    .option('--dry-run', 'only tell; do this first where you are in doubt')
    .addHelpText('after', '\nIt asks nothing. Exit codes: 0 all is removed (or told); 1 something stayed.')
    .action(async (options: CommonOptions & { dryRun?: boolean }) =>
      (await import('../host/sweep.ts')).sweepHost(options),
    );

  withApiOptions(host.command('drain'))
    .description('take no new VMs, and wait until none is on its way up or down')
    .option('--hibernate', 'also hibernate CLI VMs that nothing uses, and delete warm ones')
    .addOption(new Option('--off', 'take VMs again').conflicts('hibernate'))
    .option('--timeout <seconds>', 'wait at most so long', parseSeconds, DRAIN_SECONDS)
    .action(async (options: DrainOptions) => (await import('../host/drain.ts')).drainHost(options));

  withApiOptions(host.command('breaker'))
    .description('whether creation is stopped because too many VMs failed')
    .option('--close', 'let VMs be created again, whatever failed')
    .action(async (options: CommonOptions & { close?: boolean }) =>
      (await import('../host/breaker.ts')).showBreaker(options),
    );
}
