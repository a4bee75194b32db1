import type { Progress } from '@hearth/contract';
import { join } from 'node:path';
import { endProcess, identifyProcess, type ProcessIdentity } from '../exec/process-identity.ts';
import { readOptionalFile } from './optional-file.ts';

/** Where dnsmasq's files are: its reservations and pid below runDir, its leases below stateDir. */
export interface DnsmasqPaths {
  folder: string;
  hosts: string;
  pid: string;
  leases: string;
}

export const dnsmasqPaths = (runDir: string, stateDir: string): DnsmasqPaths => ({
  folder: join(runDir, 'dnsmasq'),
  hosts: join(runDir, 'dnsmasq', 'hosts'),
  pid: join(runDir, 'dnsmasq', 'pid'),
  leases: join(stateDir, 'dnsmasq.leases'),
});

/** dnsmasq writes its pid itself before it serves; that it is still the same shows its command line, which names that file. */
export async function findRecordedDnsmasq(runDir: string): Promise<ProcessIdentity | null> {
  const { pid: path } = dnsmasqPaths(runDir, '');
  const text = await readOptionalFile(path);
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid <= 1) return null;
  const identity = await identifyProcess(pid);
  if (identity === null) return null;
  const commandLine = (await readOptionalFile(`/proc/${pid}/cmdline`)).split('\0');
  return commandLine.includes(`--pid-file=${path}`) ? identity : null;
}

const TERM_MS = 2000;

/** Ends what an earlier daemon left running; false where there was none. */
export async function endRecordedDnsmasq(runDir: string, progress: Progress): Promise<boolean> {
  const identity = await findRecordedDnsmasq(runDir);
  if (identity === null) return false;
  await endProcess(identity, TERM_MS, progress);
  return true;
}
