import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '@hearth/contract';

const runFile = promisify(execFile);

/** Everything that a VM takes, counted on the machine itself and not in any record of Hearth. */
export interface Traces {
  /** VMM processes whose command line names a folder of this Hearth. */
  vmms: number;
  taps: number;
  leases: number;
  reservations: number;
  /** Elements of the firewall's set of pinned interfaces. */
  pins: number;
  folders: number;
  sockets: number;
  cgroups: number;
}

export const noTraces: Traces = {
  vmms: 0,
  taps: 0,
  leases: 0,
  reservations: 0,
  pins: 0,
  folders: 0,
  sockets: 0,
  cgroups: 0,
};

async function list(folder: string): Promise<string[]> {
  return readdir(folder, { recursive: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
}

async function inNamespace(name: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await runFile('ip', ['netns', 'exec', name, command, ...args]);
  return stdout;
}

/** Lines of a file of dnsmasq that hold a MAC address. */
async function linesOf(path: string): Promise<number> {
  const text = await readFile(path, 'utf8');
  return text.split('\n').filter((line) => /([0-9a-f]{2}:){5}/.test(line)).length;
}

/** pids of the VMMs whose command line names a folder of this Hearth. */
export async function vmmPids(config: Config): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes('qemu-system') && commandLine.includes(config.runDir)) pids.push(Number(pid));
  }
  return pids;
}

async function cgroupsOf(config: Config): Promise<number> {
  const roots = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/cpu', '/sys/fs/cgroup/pids'];
  const found = await Promise.all(roots.map((root) => list(join(root, `hearth-${config.name}`))));
  return found.flat().filter((name) => /(^|\/)vm-[0-9a-z]{12}$/.test(name)).length;
}

/** Counts what VMs of this Hearth hold now. */
export async function countTraces(config: Config): Promise<Traces> {
  const links = await inNamespace(config.name, 'ip', '-br', 'link');
  const rules = await inNamespace(config.name, 'nft', '-j', 'list', 'ruleset');
  const state = await list(join(config.stateDir, 'vms'));
  const sockets = await list(join(config.runDir, 'vms'));
  return {
    vmms: (await vmmPids(config)).length,
    taps: links.split('\n').filter((line) => line.startsWith('tap')).length,
    leases: await linesOf(join(config.stateDir, 'dnsmasq.leases')),
    reservations: await linesOf(join(config.runDir, 'dnsmasq', 'hosts')),
    pins: (rules.match(/"tap[0-9a-f]+"/g) ?? []).length,
    folders: state.length,
    sockets: sockets.length,
    cgroups: await cgroupsOf(config),
  };
}
