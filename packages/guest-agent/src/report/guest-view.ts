import type { GuestReport } from '@hearth/contract';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { runCommand } from '../exec/run-command.ts';
import { parseRoutes, routeText } from '../network/routes.ts';
import { askGateway } from './ask-gateway.ts';
import {
  parseFailedUnits,
  parseMemory,
  parseOomKills,
  parseUnits,
  UNIT_PROPERTIES,
  type Memory,
} from './parse.ts';

/** What a report looks at beside the guest's identity; an argument, so that tests touch no machine. Each may reject, or never end. */
export interface GuestView {
  links(): Promise<GuestReport['links']>;
  routes(): Promise<string[]>;
  /** Of these units. */
  units(names: readonly string[]): Promise<GuestReport['units']>;
  failedUnits(): Promise<string[]>;
  kernelCommandLine(): Promise<string>;
  memory(): Promise<Memory>;
  oomKills(): Promise<number>;
  disk(): Promise<GuestReport['disk']>;
  gateway(address: string): Promise<NonNullable<GuestReport['gateway']>>;
}

/** systemd may be what is broken. */
const SYSTEMCTL_TIMEOUT_MS = 3000;
const MIB = 1024 * 1024;
const IFF_UP = 1;

const text = (path: string): Promise<string> => readFile(path, 'utf8');
const systemctl = (args: string[]): Promise<string> => runCommand('systemctl', args, SYSTEMCTL_TIMEOUT_MS);

/** Processes are started for systemd alone: a guest without memory can still be read. */
export const linuxView: GuestView = {
  links: async () => {
    const names = (await readdir('/sys/class/net')).filter((name) => name !== 'lo').toSorted();
    return Promise.all(
      names.map(async (name) => {
        const folder = `/sys/class/net/${name}`;
        const [mac, flags] = await Promise.all([text(`${folder}/address`), text(`${folder}/flags`)]);
        return { name, mac: mac.trim(), up: (Number(flags) & IFF_UP) !== 0 };
      }),
    );
  },
  routes: async () => parseRoutes(await text('/proc/net/route')).map(routeText),
  units: async (names) =>
    parseUnits(
      await systemctl(['show', '--no-pager', `--property=${UNIT_PROPERTIES.join(',')}`, '--', ...names]),
      names,
    ),
  failedUnits: async () =>
    parseFailedUnits(await systemctl(['list-units', '--failed', '--output=json', '--no-pager'])),
  kernelCommandLine: async () => (await text('/proc/cmdline')).trim(),
  memory: async () => parseMemory(await text('/proc/meminfo')),
  oomKills: async () => parseOomKills(await text('/proc/vmstat')),
  disk: async () => {
    const { bsize, bavail, blocks } = await statfs('/');
    const inMiB = (count: number): number => Math.floor((count * bsize) / MIB);
    return { freeMiB: inMiB(bavail), totalMiB: inMiB(blocks) };
  },
  gateway: (address) => askGateway(address),
};
