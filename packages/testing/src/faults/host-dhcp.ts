import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vmGivenUp } from './awaits.ts';
import type { Fault } from './fault.ts';
import type { FaultRoom } from './fault-room.ts';
import { until } from './until.ts';

/** dnsmasq, its reservations and its leases. */

const FREED_TIMEOUT_MS = 5000;
/** Takes the port of the DNS server as soon as it is free, says so, and keeps it. */
const HOLD_PORT = `
const hold = () => {
  const server = require('node:net').createServer();
  server.on('error', () => setTimeout(hold, 1));
  server.listen(53, process.argv[1], () => console.log('held'));
};
if (process.argv[2] !== undefined) process.kill(Number(process.argv[2]), 'SIGKILL');
hold();
`;

const files = ({ lab: { config } }: FaultRoom): { hosts: string; pid: string; leases: string } => ({
  hosts: join(config.runDir, 'dnsmasq', 'hosts'),
  pid: join(config.runDir, 'dnsmasq', 'pid'),
  leases: join(config.stateDir, 'dnsmasq.leases'),
});

const pidOf = async (room: FaultRoom): Promise<number> => Number(await readFile(files(room).pid, 'utf8'));

const lineOf = ({ vm }: FaultRoom, ip = vm.ip): string => `${vm.mac},id:*,${ip},${vm.id},infinite`;

/** Rewrites the reservations without this VM's, and with this line where one is given; dnsmasq reads them again. */
async function reserve(room: FaultRoom, line: string | null): Promise<void> {
  const path = files(room).hosts;
  const others = (await readFile(path, 'utf8'))
    .split('\n')
    .filter((one) => one !== '' && !one.startsWith(room.vm.mac));
  await writeFile(path, [...others, ...(line === null ? [] : [line])].map((one) => `${one}\n`).join(''));
  process.kill(await pidOf(room), 'SIGHUP');
}

async function leaseOf(room: FaultRoom): Promise<string | null> {
  const lines = (await readFile(files(room).leases, 'utf8')).split('\n');
  return lines.find((line) => line.includes(` ${room.vm.mac} `)) ?? null;
}

/** An address that no VM of a lab comes to. */
const elsewhere = ({ gateway }: FaultRoom): string => gateway.replace(/\d+$/, '250');

export const dhcpFaults: readonly Fault[] = [
  {
    name: 'reservation_missing',
    title: 'the reservation is taken out of dnsmasq’s file',
    kind: 'cli',
    expects: 'reservation_missing',
    inject: (room) => reserve(room, null),
    awaits: async (room) =>
      (await readFile(files(room).hosts, 'utf8')).includes(room.vm.mac) ? 'it is there' : null,
    undo: (room) => reserve(room, lineOf(room)),
    spoils: false,
  },
  {
    name: 'lease_missing',
    title: 'the lease is taken out of dnsmasq’s file',
    kind: 'cli',
    expects: 'lease_missing',
    inject: async (room) => {
      const path = files(room).leases;
      const lines = (await readFile(path, 'utf8')).split('\n');
      await writeFile(path, lines.filter((line) => !line.includes(room.vm.mac)).join('\n'));
    },
    awaits: async (room) => ((await leaseOf(room)) === null ? null : 'it is there'),
    // As dnsmasq writes one that never ends: 0, MAC, address, name, client id.
    undo: async (room) => {
      if ((await leaseOf(room)) !== null) return;
      const path = files(room).leases;
      const { mac, ip, id } = room.vm;
      await writeFile(path, `${await readFile(path, 'utf8')}0 ${mac} ${ip} ${id} *\n`);
    },
    spoils: false,
  },
  {
    name: 'dnsmasq_dead',
    title: 'dnsmasq is killed, and its port taken',
    kind: 'cli',
    expects: 'dnsmasq_dead',
    inject: async (room) => room.employ(HOLD_PORT, room.gateway, String(await pidOf(room))),
    awaits: async (room) => {
      const alive = (await room.net('ss', '-Hlun', 'sport', '=', ':67')).trim();
      return alive === '' ? null : 'a DHCP server listens';
    },
    undo: (room) => room.dismiss(),
    spoils: false,
  },
  {
    name: 'lease_elsewhere',
    title: 'dnsmasq is made to lease another address, and the guest asks anew',
    kind: 'cli',
    expects: 'lease_elsewhere',
    inject: async (room) => {
      await reserve(room, lineOf(room, elsewhere(room)));
      await room.net('dhcp_release', room.bridge, room.vm.ip, room.vm.mac);
      await until('release of the lease', FREED_TIMEOUT_MS, room.signal, () => leaseOf(room));
      await room.leave('networkctl reconfigure eth0');
    },
    // The guest tells the host of its new address, and a VM that is ready breaks its promise by it (F1); its disk is kept (ADR 15).
    awaits: vmGivenUp,
    undo: null,
    spoils: true,
  },
];
