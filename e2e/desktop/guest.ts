import { join } from 'node:path';
import { vmSchema, type Vm } from '@hearth/contract';
import { repository, type HearthLab } from '@hearth/testing';
import { readScreen, type Picture } from './picture.ts';

export const SCREEN_SCRIPT = join(repository, 'e2e/desktop/guest-screen.mjs');

/** A browser VM of a test and what is seen and done in it without its desktop's stream. */
export interface Guest {
  vm: Vm;
  /** Runs a shell line as the user of the desktop, with its display; throws unless it succeeds. */
  sh(line: string): Promise<string>;
  /** Starts a program on the desktop and leaves it running. */
  start(line: string): Promise<void>;
  /** What the X server itself shows. */
  screen(): Promise<Picture>;
}

export async function createGuest(lab: HearthLab): Promise<Guest> {
  const vm = vmSchema.parse(await lab.json(['vm', 'create', '--kind', 'browser'], { timeoutMs: 600_000 }));
  return openGuest(lab, vm);
}

export async function openGuest(lab: HearthLab, vm: Vm): Promise<Guest> {
  const sh = async (line: string): Promise<string> => {
    const command = `export DISPLAY=:0; ${line}`;
    const { stdout, stderr, exitCode } = await lab.cli(['vm', 'exec', vm.id, '--', 'sh', '-c', command]);
    if (exitCode !== 0) throw new Error(`${line}: exit code ${exitCode}: ${stderr}`);
    return stdout;
  };
  const copied = await lab.cli(['vm', 'cp', SCREEN_SCRIPT, `${vm.id}:/home/hearth/.guest-screen.mjs`]);
  if (copied.exitCode !== 0) throw new Error(copied.stderr);
  return {
    vm,
    sh,
    start: async (line) => {
      await sh(`setsid -f ${line} >/dev/null 2>&1 </dev/null`);
    },
    screen: async () => {
      await sh('node ~/.guest-screen.mjs > ~/.guest-screen');
      const answer = await lab.fetch(`/api/vms/${vm.id}/files?path=/home/hearth/.guest-screen`);
      return readScreen(Buffer.from(await answer.arrayBuffer()));
    },
  };
}
