import { Option, type Command } from 'commander';
import type { CommonOptions } from '../context.ts';
import type { CreateOptions } from '../vm/create.ts';
import type { WaitOption } from '../vm/bring-up.ts';
import type { ExecOptions } from '../vm/exec.ts';
import type { ResumeOptions } from '../vm/hibernate.ts';
import type { VncOptions } from '../vm/vnc.ts';
import { collectAssignment, parseSeconds, parseWholeNumber, withApiOptions } from './common.ts';
import { addWhyCommand } from './why.ts';

export function addVmCommands(program: Command): void {
  const vm = program.command('vm').description('create, look at and use VMs');

  withApiOptions(vm.command('create'))
    .description('create a VM and wait until it is proven ready')
    .addOption(
      new Option('--kind <kind>', 'what it is for').choices(['cli', 'browser']).makeOptionMandatory(),
    )
    .option('--cpus <n>', 'virtual processors', parseWholeNumber)
    .option('--mem <mib>', 'memory in MiB', parseWholeNumber)
    .option('--disk <mib>', 'size of its own disk in MiB', parseWholeNumber)
    .option('--cold', 'boot the image, even where a snapshot or a warm VM is there')
    .option('--no-wait', 'return as soon as it is recorded')
    .action(async (options: CreateOptions) => (await import('../vm/create.ts')).createVm(options));

  withApiOptions(vm.command('hibernate'))
    .description('save memory and disk of a CLI VM to files and give back all else; what uses it resumes it')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../vm/hibernate.ts')).hibernateVm(id, options),
    );

  withApiOptions(vm.command('resume'))
    .description('bring a hibernated VM back with all that ran in it, and wait until it is proven ready')
    .argument('<id>')
    .option('--cold', 'boot its disk without the saved memory: what ran in it is lost')
    .option('--no-wait', 'return as soon as it is recorded')
    .action(async (id: string, options: ResumeOptions) =>
      (await import('../vm/hibernate.ts')).resumeVm(id, options),
    );

  withApiOptions(vm.command('fork'))
    .description('make a copy of a CLI VM, with memory, disk and all that runs in it, as a VM of its own')
    .argument('<id>')
    .option('--no-wait', 'return as soon as it is recorded')
    .action(async (id: string, options: CommonOptions & WaitOption) =>
      (await import('../vm/hibernate.ts')).forkVm(id, options),
    );

  withApiOptions(vm.command('restart'))
    .description('end a CLI VM and boot its disk anew: what ran in it is lost, its files stay')
    .argument('<id>')
    .option('--no-wait', 'return as soon as it is recorded')
    .action(async (id: string, options: CommonOptions & WaitOption) =>
      (await import('../vm/restart.ts')).restartVm(id, options),
    );

  withApiOptions(vm.command('ls'))
    .alias('list')
    .description('list VMs')
    .option('--all', 'deleted ones too, and for an administrator those of everybody and of the warm pool')
    .action(async (options: CommonOptions & { all?: boolean }) =>
      (await import('../vm/list.ts')).listVms(options),
    );

  withApiOptions(vm.command('show'))
    .description('all that is known of one VM')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../vm/show.ts')).showVm(id, options),
    );

  addWhyCommand(vm);

  withApiOptions(vm.command('rm'))
    .alias('delete')
    .description('delete VMs and wait until nothing of them is left')
    .argument('<id...>')
    .action(async (ids: string[], options: CommonOptions) =>
      (await import('../vm/remove.ts')).removeVms(ids, options),
    );

  withApiOptions(vm.command('console'))
    .description('the serial console from its first byte, also of a deleted VM')
    .argument('<id>')
    .option('-f, --follow', 'go on as it comes')
    .option('--timestamps', 'put the time before each line')
    .action(async (id: string, options: CommonOptions & { follow?: boolean; timestamps?: boolean }) =>
      (await import('../vm/console.ts')).showConsole(id, options),
    );

  withApiOptions(vm.command('timeline'))
    .description('how long each phase of its last start took, as bars')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) =>
      (await import('../vm/show.ts')).showTimeline(id, options),
    );

  withApiOptions(vm.command('exec'))
    .description('run a command in a VM; exits with its exit code')
    .argument('<id>')
    .argument('<command...>', 'program and arguments, behind --')
    .usage('[options] <id> -- <command...>')
    .addOption(new Option('--user <user>', 'who runs it').choices(['hearth', 'root']).default('hearth'))
    .option('--cwd <folder>', 'absolute path; the home folder where left out')
    .option('--env <name=value>', 'set a variable (repeatable)', collectAssignment)
    .option('--timeout <seconds>', 'end it after so long', parseSeconds)
    .option('-i, --stdin', 'pass standard input, even from a terminal')
    .action(async (id: string, words: string[], options: ExecOptions) =>
      (await import('../vm/exec.ts')).execInVm(id, words, options),
    );

  withApiOptions(vm.command('cp'))
    .description('copy a file into or out of a VM, e.g. notes.txt vm-…:/home/hearth/')
    .argument('<source>', 'file, ID:/path or - for standard input')
    .argument('<target>', 'file, ID:/path or - for standard output')
    .action(async (source: string, target: string, options: CommonOptions) =>
      (await import('../vm/copy.ts')).copyFile(source, target, options),
    );

  withApiOptions(vm.command('vnc'))
    .description('make the desktop reachable for a VNC viewer, until Ctrl-C')
    .argument('<id>')
    .option(
      '--listen <address:port>',
      'where the viewer connects to; port 0: any that is free',
      '127.0.0.1:0',
    )
    .option('--view', 'watch only, whatever the viewer sends')
    .action(async (id: string, options: VncOptions) => (await import('../vm/vnc.ts')).serveVnc(id, options));
}
