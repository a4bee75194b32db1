import type { Command } from 'commander';
import type { BuildImageOptions } from '../images.ts';
import type { CommonOptions } from '../context.ts';
import { withCommonOptions } from './common.ts';

export function addImageCommands(program: Command): void {
  const image = program.command('image').description('build and look at golden images (root)');
  const load = () => import('../images.ts');

  withCommonOptions(image.command('build'))
    .description('build and gate an image; what is unchanged is reused')
    .option('--suite <name>', 'profile in image/profiles', 'bookworm')
    .option('--mirror <address>', 'mirror of the distribution; the one of this machine where left out')
    .option('--force', 'build all of it anew')
    .action(async (options: BuildImageOptions) => (await load()).buildImage(options));
  withCommonOptions(image.command('ls'))
    .alias('list')
    .description('list images; the current one is what new VMs start from')
    .action(async (options: CommonOptions) => (await load()).listImages(options));
  withCommonOptions(image.command('show'))
    .description('manifest and gate of an image')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => (await load()).showImage(id, options));
  withCommonOptions(image.command('gate'))
    .description('boot an image and check each capability that it declares')
    .argument('[id]', 'the newest where left out')
    .action(async (id: string | undefined, options: CommonOptions) => (await load()).gateImage(id, options));
  withCommonOptions(image.command('rm'))
    .description('remove an image that no VM uses')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => (await load()).removeImage(id, options));
}
