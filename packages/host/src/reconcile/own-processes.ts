import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { vmIdSchema, type Config, type Progress, type VmId } from '@hearth/contract';
import { endProcess, lookAtProcess, type ProcessIdentity } from '../exec/process-identity.ts';
import { dnsmasqPaths } from '../network/dnsmasq-record.ts';
import { readOptionalFile } from '../network/optional-file.ts';

/** A process that this Hearth started, or that was started as if. */
export type OwnProcess = ProcessIdentity &
  ({ type: 'vmm'; vmId: VmId } | { type: 'dnsmasq'; parentPid: number });

/** Programs that run VMs, by the first 15 bytes of their names. A shell or an editor with such a path on its command line is none. */
const VMM = /^(qemu-system-|firecracker$)/;

/** All VMMs and servers of this Hearth, with or without a record: known by their program and by a path of ours that they were given. */
export async function findOwnProcesses(config: Pick<Config, 'runDir' | 'stateDir'>): Promise<OwnProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => recognise(pid, config)));
  return found.filter((one) => one !== null);
}

async function recognise(
  pid: number,
  config: Pick<Config, 'runDir' | 'stateDir'>,
): Promise<OwnProcess | null> {
  // Read in this order, so that what was read belongs to this very process or to nobody.
  const before = await lookAtProcess(pid);
  if (before === null) return null;
  const isVmm = VMM.test(before.command);
  if (!isVmm && before.command !== 'dnsmasq') return null;
  const words = (await readOptionalFile(`/proc/${pid}/cmdline`)).split('\0');
  const { startTicks } = before;
  if ((await lookAtProcess(pid))?.startTicks !== startTicks) return null;
  if (!isVmm) {
    const ours = `--pid-file=${dnsmasqPaths(config.runDir, config.stateDir).pid}`;
    return words.includes(ours) ? { pid, startTicks, type: 'dnsmasq', parentPid: before.parentPid } : null;
  }
  const vmId = words.map((word) => vmIn(word, config)).find((id) => id !== null);
  return vmId === undefined ? null : { pid, startTicks, type: 'vmm', vmId };
}

/** The VM of whose folder a word of a command line names a file: alone, or after `=`, `:` or `,`. */
export function vmIn(word: string, { runDir, stateDir }: Pick<Config, 'runDir' | 'stateDir'>): VmId | null {
  for (const parent of [join(runDir, 'vms'), join(stateDir, 'vms')]) {
    for (const part of word.split(/[=:,]/)) {
      if (!part.startsWith(`${parent}/`)) continue;
      const id = vmIdSchema.safeParse(part.slice(parent.length + 1).split('/')[0]);
      if (id.success) return id.data;
    }
  }
  return null;
}

/** Ends all VMMs of this Hearth; returns when they are gone. */
export async function endOwnVmms(
  config: Pick<Config, 'runDir' | 'stateDir'>,
  progress: Progress,
): Promise<void> {
  const vmms = (await findOwnProcesses(config)).filter(({ type }) => type === 'vmm');
  await Promise.all(vmms.map((vmm) => endProcess(vmm, 0, progress)));
}
