import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Config } from '@hearth/contract';
import { countTraces, type Traces } from './leftovers.ts';

const runFile = promisify(execFile);

/** What a whole Hearth holds while it runs: what VMs take, and what there is one of. */
export interface MachineTraces extends Traces {
  /** Address book: rows that are not free. */
  addresses: number;
  /** Journal: VMs. */
  records: number;
  dnsmasqs: number;
  /** Processes in the namespace: host daemon, dnsmasq, VMMs and whatever else got in. */
  processes: number;
  /** Interfaces in the namespace: loopback, bridge, veth, TAPs. */
  links: number;
  /** Entries below runDir. */
  runFiles: number;
  /** Namespaces of this name. */
  namespaces: number;
}

async function entriesBelow(folder: string): Promise<number> {
  return (await readdir(folder, { recursive: true })).length;
}

/** pids of the dnsmasq processes whose command line names that folder. */
export async function dnsmasqPids(runDir: string): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0]?.endsWith('dnsmasq') === true && words.some((word) => word.includes(`${runDir}/`)))
      pids.push(Number(pid));
  }
  return pids;
}

/** Rows of the host's journal, read beside the daemon that writes it. */
function countRows({ stateDir }: Config): Pick<MachineTraces, 'addresses' | 'records'> {
  const database = new DatabaseSync(join(stateDir, 'host.db'), { readOnly: true });
  try {
    const count = (sql: string): number => Number(database.prepare(sql).get()?.['n'] ?? 0);
    return {
      addresses: count("SELECT count(*) AS n FROM addresses WHERE json_extract(row, '$.freedOrder') IS NULL"),
      records: count('SELECT count(*) AS n FROM vms'),
    };
  } finally {
    database.close();
  }
}

/** Counts all that this Hearth holds now, on the machine itself and in the host's journal. */
export async function countMachineTraces(config: Config): Promise<MachineTraces> {
  const { stdout: pids } = await runFile('ip', ['netns', 'pids', config.name]);
  const { stdout: links } = await runFile('ip', ['-n', config.name, '-br', 'link']);
  const namespaces = await readdir('/run/netns');
  return {
    ...(await countTraces(config)),
    ...countRows(config),
    dnsmasqs: (await dnsmasqPids(config.runDir)).length,
    processes: lines(pids),
    links: lines(links),
    runFiles: await entriesBelow(config.runDir),
    namespaces: namespaces.filter((name) => name.startsWith(config.name)).length,
  };
}

const lines = (text: string): number => text.split('\n').filter((line) => line.trim() !== '').length;
