import type { Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import { withApiOptions } from './common.ts';

export function addSnapshotCommands(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('look at and remove golden snapshots, which new VMs start from (administrators)');
  const load = () => import('../snapshots.ts');

  withApiOptions(snapshot.command('ls'))
    .alias('list')
    .description('list golden snapshots, what each is used for, and what is being made')
    .action(async (options: CommonOptions) => (await load()).listSnapshots(options));
  withApiOptions(snapshot.command('rm'))
    .description('remove a golden snapshot that no VM was cloned from; a usable one is made anew')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => (await load()).removeSnapshot(id, options));
}
