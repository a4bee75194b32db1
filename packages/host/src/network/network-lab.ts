import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseConfig,
  startProgress,
  vmIdSchema,
  type Address,
  type Config,
  type ConfigInput,
  type Progress,
} from '@hearth/contract';
import { expect, vi } from 'vitest';
import { startChild } from '../exec/daemon.ts';
import { run } from '../exec/run.ts';
import { openAddressBook, type AddressBook, type AddressRow } from './address-book.ts';
import { planNetwork } from './addressing.ts';
import { createHostNetwork, type HostNetwork } from './host-network.ts';
import { removeNamespace } from './namespace.ts';
import type { Run, StartChild } from './run-port.ts';

/** Runs commands in a namespace. */
export const runIn =
  (namespace: string): Run =>
  (command, args, options) =>
    run('nsenter', [`--net=/run/netns/${namespace}`, command, ...args], options);

export const startIn =
  (namespace: string): StartChild =>
  (command, args, onLine) =>
    startChild('nsenter', [`--net=/run/netns/${namespace}`, command, ...args], onLine);

/** True where an answer came within two seconds. */
export async function ping(inside: Run, ip: string, ...options: string[]): Promise<boolean> {
  const { exitCode } = await inside('busybox', ['ping', '-c', '1', '-W', '2', ...options, ip], {
    okCodes: [0, 1],
  });
  return exitCode === 0;
}

/** The body that a web server answers; null where nothing answers. Busybox's own wget crashes where it is static. */
async function fetchFrom(inside: Run, ip: string, port: number): Promise<string | null> {
  const { exitCode, stdout } = await inside('busybox', ['nc', '-w', '3', ip, String(port)], {
    input: 'GET / HTTP/1.0\r\n\r\n',
    okCodes: [0, 1],
  });
  return exitCode === 0 ? (stdout.split('\r\n\r\n')[1] ?? null) : null;
}

export const progress = (timeoutMs = 60_000): Progress => startProgress({ what: 'test', timeoutMs });

/** A namespace that stands in for a VM: its only interface is joined to the bridge in place of a TAP. */
export interface Guest {
  run: Run;
  /** True where the command ends well. */
  succeeds(command: string, ...args: string[]): Promise<boolean>;
  /** Asks for an address by DHCP and configures it; null where none came. @param clientId hex, behind type 0x3d */
  dhcp(clientId?: string): Promise<{ ip: string; router: string; dns: string } | null>;
  fetch(ip: string, port: number): Promise<string | null>;
  ping(ip: string, ...options: string[]): Promise<boolean>;
}

/** Namespaces for a test, with a prefix of their own; one of them stands in for the machine. */
export interface Lab {
  /** Runs in the namespace that is the machine. */
  machine: Run;
  config(name: string, network: ConfigInput['network']): Config;
  /** @param lines gets the words of the network and of its dnsmasq */
  network(config: Config, lines?: string[]): HostNetwork;
  book(config: Config): AddressBook & { rows: Map<string, AddressRow> };
  namespace(name: string): Promise<string>;
  guest(config: Pick<Config, 'name'>, port: Pick<Address, 'tap' | 'mac'>, bridge?: string): Promise<Guest>;
  /** Serves a word over HTTP on all addresses of a namespace. */
  serve(namespace: string, port: number, word: string): Promise<void>;
  background(child: ReturnType<StartChild>): void;
  folder: string;
  machineName: string;
  close(): Promise<void>;
}

const DHCP_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "BOUND $ip $router $dns"
`;

export const vmIdOf = (n: number) => vmIdSchema.parse(`vm-${String(n).padStart(12, '0')}`);

export async function openLab(): Promise<Lab> {
  const prefix = `t${randomBytes(3).toString('hex')}`;
  // Not below a folder that only root may enter: dnsmasq reads its files as another user.
  const folder = await mkdtemp(join(tmpdir(), 'hearth-net-'));
  await chmod(folder, 0o755);
  const script = join(folder, 'dhcp.sh');
  await writeFile(script, DHCP_SCRIPT, { mode: 0o755 });
  const machineName = `${prefix}m`;
  const namespaces: string[] = [];
  const configs: Config[] = [];
  const networks: HostNetwork[] = [];
  const children: ReturnType<StartChild>[] = [];
  const machine = runIn(machineName);

  const namespace = async (name: string): Promise<string> => {
    const full = `${prefix}${name}`;
    await run('ip', ['netns', 'add', full]);
    namespaces.push(full);
    await run('ip', ['-n', full, 'link', 'set', 'lo', 'up']);
    return full;
  };
  await namespace('m');
  let guests = 0;

  return {
    machine,
    machineName,
    folder,
    namespace,
    config(name, network) {
      const config = parseConfig(
        {
          name: `${prefix}${name}`,
          stateDir: join(folder, name, 'state'),
          runDir: join(folder, name, 'run'),
          network,
          vms: { vmmUser: 'nobody' },
        },
        {},
      );
      configs.push(config);
      return config;
    },
    network(config, lines) {
      const inside = runIn(config.name);
      const network = createHostNetwork({
        config,
        log: (message) => lines?.push(message),
        run: inside,
        runOutside: machine,
        startChild: (command, args, onLine) =>
          startIn(config.name)(command, args, (line) => {
            lines?.push(line);
            onLine(line);
          }),
        ask: async (server, name) => {
          const { stdout } = await inside('busybox', ['nslookup', name, server], { timeoutMs: 3000 });
          return [...stdout.matchAll(/^Address: ([\d.]+)$/gm)].flatMap(([, ip]) =>
            ip === undefined ? [] : [ip],
          );
        },
      });
      networks.push(network);
      return network;
    },
    book(config) {
      const rows = new Map<string, AddressRow>();
      const book = openAddressBook({
        plan: planNetwork(config),
        randomBytes,
        store: {
          load: () => [...rows.values()],
          put: (row) => {
            rows.set(row.vmId, row);
          },
          delete: (id) => {
            rows.delete(id);
          },
        },
      });
      return Object.assign(book, { rows });
    },
    async guest({ name }, { tap, mac }, bridge) {
      guests += 1;
      const own = await namespace(`g${guests}`);
      const inside = runIn(own);
      await run('ip', ['-n', name, 'link', 'add', tap, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own]);
      await run('ip', ['-n', own, 'link', 'set', 'eth0', 'address', mac, 'up']);
      await run('ip', [
        '-n',
        name,
        'link',
        'set',
        tap,
        ...(bridge === undefined ? [] : ['master', bridge]),
        'up',
      ]);
      return {
        run: inside,
        async succeeds(command, ...args) {
          const codes = Array.from({ length: 256 }, (_, code) => code);
          return (await inside(command, args, { okCodes: codes, timeoutMs: 10_000 })).exitCode === 0;
        },
        async dhcp(clientId) {
          const options = clientId === undefined ? [] : ['-C', '-x', `0x3d:${clientId}`];
          const { stdout } = await inside(
            'busybox',
            ['udhcpc', '-i', 'eth0', '-f', '-q', '-n', '-t', '4', '-T', '1', '-s', script, ...options],
            { okCodes: [0, 1] },
          );
          const [, ip, router, dns] = /^BOUND (\S+) (\S+) (\S+)$/m.exec(stdout) ?? [];
          return ip === undefined || router === undefined || dns === undefined ? null : { ip, router, dns };
        },
        fetch: (ip, port) => fetchFrom(inside, ip, port),
        ping: (ip, ...options) => ping(inside, ip, ...options),
      };
    },
    async serve(where, port, word) {
      const root = join(folder, `www-${where}-${port}`);
      await mkdir(root, { recursive: true });
      await writeFile(join(root, 'index.html'), word);
      children.push(
        startIn(where)('busybox', ['httpd', '-f', '-p', String(port), '-h', root], () => undefined),
      );
      await vi.waitFor(async () => expect(await fetchFrom(runIn(where), '127.0.0.1', port)).toBe(word), 5000);
    },
    background(child) {
      children.push(child);
    },
    async close() {
      for (const network of networks) await network.stop();
      for (const child of children) child.kill('SIGKILL');
      for (const config of configs) await removeNamespace(config, machine, progress());
      for (const name of namespaces.reverse()) await run('ip', ['netns', 'del', name]);
      await rm(folder, { recursive: true });
    },
  };
}
