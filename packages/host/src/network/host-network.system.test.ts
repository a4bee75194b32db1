import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address, Config } from '@hearth/contract';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from '../exec/run.ts';
import { macOf, tapOf } from './addressing.ts';
import { dnsmasqPaths, findRecordedDnsmasq } from './dnsmasq-record.ts';
import type { HostNetwork } from './host-network.ts';
import type { LeaseEvent } from './leases.ts';
import { prepareNamespace } from './namespace.ts';
import { openLab, ping, progress, runIn, startIn, vmIdOf, type Lab } from './network-lab.ts';

let lab: Lab;
let config: Config;
let network: HostNetwork;
let lines: string[];
const SUBNET = { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30', uplink: 'none' } as const;

beforeEach(async () => {
  lab = await openLab();
  config = lab.config('a', SUBNET);
  await prepareNamespace(config, lab.machine, progress());
  lines = [];
  network = lab.network(config, lines);
  await network.start(progress());
  await network.sync([], progress());
});
afterEach(() => lab.close());

const addressOf = (last: number, mac?: string): Address => {
  const ip = `10.77.0.${last}`;
  return {
    ip,
    mac: mac ?? macOf(ip),
    tap: tapOf(ip),
    hostname: vmIdOf(last),
    machineId: `${last}`.padStart(32, '0'),
  };
};
const linksInside = async (): Promise<string> => (await runIn(config.name)('ip', ['-o', 'link'])).stdout;

test('F1: a guest gets exactly the address that is booked for it, and the host hears of it', async () => {
  const heard: LeaseEvent[] = [];
  network.onLease((event) => heard.push(event));
  const address = lab.book(config).allocate(vmIdOf(1));
  const guest = await lab.guest(config, address);
  await network.attach(address, progress());
  expect(await guest.dhcp()).toEqual({ ip: address.ip, router: '10.77.0.1', dns: '10.77.0.1' });
  await vi.waitFor(() => expect(heard).toMatchObject([{ mac: address.mac, ip: address.ip }]));
  expect(await network.leaseOf(address.mac)).toMatchObject({ ip: address.ip, hostname: vmIdOf(1) });
  expect(await guest.ping('10.77.0.1')).toBe(true);
  // The namespace dials the guest, as the host daemon does.
  expect(await ping(runIn(config.name), address.ip)).toBe(true);
});

test('F1: a guest that nobody booked gets no address', async () => {
  const stranger = addressOf(9);
  const guest = await lab.guest(config, stranger, 'hearth0');
  expect(await guest.dhcp()).toBeNull();
});

test('F46: two clones with the same client id get one address from a pool, and each its own from us', async () => {
  const clientId = 'ff56504d98000200000ab1c2d3e4f5061728';
  const [a, b] = [addressOf(2), addressOf(3)];
  // The fault: a dynamic pool that goes by the client id.
  const faulty = await lab.namespace('pool');
  await run('ip', ['-n', faulty, 'link', 'add', 'hearth0', 'type', 'bridge']);
  await run('ip', ['-n', faulty, 'addr', 'add', '10.77.0.1/24', 'dev', 'hearth0']);
  await run('ip', ['-n', faulty, 'link', 'set', 'hearth0', 'up']);
  const poolLines: string[] = [];
  lab.background(
    startIn(faulty)(
      'dnsmasq',
      [
        ...['--conf-file=/dev/null', '--keep-in-foreground', '--log-facility=-', '--port=0', '--no-ping'],
        ...['--interface=hearth0', '--bind-interfaces', '--dhcp-range=10.77.0.50,10.77.0.99', '--user=root'],
        ...['--dhcp-option=option:dns-server,10.77.0.1'],
        ...[
          `--pid-file=${join(lab.folder, 'pool.pid')}`,
          `--dhcp-leasefile=${join(lab.folder, 'pool.leases')}`,
        ],
      ],
      (line) => poolLines.push(line),
    ),
  );
  await vi.waitFor(() => expect(poolLines.join('\n')).toContain('sockets bound'), 5000);
  const pool = { name: faulty };
  const [one, two] = [await lab.guest(pool, a, 'hearth0'), await lab.guest(pool, b, 'hearth0')];
  const [leaseOne, leaseTwo] = [await one.dhcp(clientId), await two.dhcp(clientId)];
  expect(leaseOne?.ip).toBeDefined();
  expect(leaseTwo?.ip).toBe(leaseOne?.ip);

  const [three, four] = [await lab.guest(config, a), await lab.guest(config, b)];
  await network.attach(a, progress());
  await network.attach(b, progress());
  expect((await three.dhcp(clientId))?.ip).toBe(a.ip);
  expect((await four.dhcp(clientId))?.ip).toBe(b.ip);
});

test('F1: an address can go to another MAC at once, as its lease is released', async () => {
  const first = addressOf(2);
  const guest = await lab.guest(config, first);
  await network.attach(first, progress());
  expect((await guest.dhcp())?.ip).toBe(first.ip);

  await network.detach(first);
  expect(await network.leaseOf(first.mac)).toBeUndefined();
  expect(await linksInside()).not.toContain(first.tap);

  const second = addressOf(2, '02:48:aa:bb:cc:dd');
  const successor = await lab.guest(config, second);
  await network.attach(second, progress());
  expect((await successor.dhcp())?.ip).toBe(second.ip);
  expect(await successor.ping('10.77.0.1')).toBe(true);
});

test('F1: with the lease kept, dnsmasq would refuse the booked address: the fault that releasing rules out', async () => {
  const first = addressOf(2);
  const guest = await lab.guest(config, first);
  await network.attach(first, progress());
  await guest.dhcp();
  const second = addressOf(2, '02:48:aa:bb:cc:dd');
  const { hosts } = dnsmasqPaths(config.runDir, config.stateDir);
  // What would happen if only the reservation changed hands.
  await network.attach(second, progress());
  expect(await readFile(hosts, 'utf8')).toContain(second.mac);
  await runIn(config.name)('ip', ['link', 'del', first.tap]);
  const successor = await lab.guest(config, second);
  await network.sync([second], progress());
  expect(await successor.dhcp()).toBeNull();
  expect(lines.join('\n')).toMatch(/not using configured address 10\.77\.0\.2 because it is leased to/);
});

test('detaching twice, or what was never attached, is no error', async () => {
  await network.detach(addressOf(7));
  await network.attach(addressOf(7), progress());
  await network.attach(addressOf(7), progress());
  await network.detach(addressOf(7));
  await network.detach(addressOf(7));
  expect(await linksInside()).not.toContain('tap');
  expect((await network.checks()).filter(({ ok }) => !ok)).toEqual([]);
});

test('three VMs at once are all attached', async () => {
  const all = [2, 3, 4].map((last) => addressOf(last));
  await Promise.all(all.map((address) => network.attach(address, progress())));
  expect((await network.checks()).filter(({ ok }) => !ok)).toEqual([]);
  await Promise.all(all.map((address) => network.detach(address)));
});

test('a false MAC, IP or ARP sender of a guest goes nowhere', async () => {
  const [victim, attacker] = [addressOf(2), addressOf(3)];
  const [good, bad] = [await lab.guest(config, victim), await lab.guest(config, attacker)];
  await network.attach(victim, progress());
  await network.attach(attacker, progress());
  await good.dhcp();
  await bad.dhcp();
  const gateway = runIn(config.name);
  const knownMac = async (): Promise<string> =>
    (await gateway('ip', ['neigh', 'show', victim.ip, 'dev', 'hearth0'])).stdout;
  expect(await good.ping('10.77.0.1')).toBe(true);
  expect(await knownMac()).toContain(victim.mac);

  // ARP: claims the victim's address, from its own MAC.
  await bad.run('ip', ['addr', 'add', `${victim.ip}/24`, 'dev', 'eth0']);
  const claim = (): Promise<boolean> =>
    bad.succeeds('busybox', 'arping', '-U', '-c', '2', '-w', '3', '-I', 'eth0', victim.ip);
  await claim();
  expect(await knownMac()).toContain(victim.mac);
  // IP: the victim's address as source.
  expect(await bad.ping('10.77.0.1', '-I', victim.ip)).toBe(false);
  // MAC: another one than that of the TAP.
  await bad.run('ip', ['addr', 'del', `${victim.ip}/24`, 'dev', 'eth0']);
  expect(await bad.ping('10.77.0.1')).toBe(true);
  await bad.run('ip', ['link', 'set', 'eth0', 'address', '02:48:aa:aa:aa:aa']);
  expect(await bad.ping('10.77.0.1')).toBe(false);
  expect(await bad.dhcp()).toBeNull();

  // The same claim without our rules works: so it is the rules that stop it.
  await bad.run('ip', ['link', 'set', 'eth0', 'address', attacker.mac]);
  await gateway('nft', ['delete', 'table', 'bridge', 'hearth']);
  await bad.run('ip', ['addr', 'add', `${victim.ip}/24`, 'dev', 'eth0']);
  await claim();
  expect(await knownMac()).toContain(attacker.mac);
});

test('two guests reach each other neither directly nor through the gateway', async () => {
  const [a, b] = [addressOf(2), addressOf(3)];
  const [one, two] = [await lab.guest(config, a), await lab.guest(config, b)];
  await network.attach(a, progress());
  await network.attach(b, progress());
  await one.dhcp();
  await two.dhcp();
  expect(await one.ping(b.ip)).toBe(false);
  await one.run('ip', ['neigh', 'replace', b.ip, 'lladdr', b.mac, 'dev', 'eth0']);
  expect(await one.ping(b.ip)).toBe(false);
  await one.run('ip', ['route', 'add', `${b.ip}/32`, 'via', '10.77.0.1']);
  await two.run('ip', ['route', 'add', `${a.ip}/32`, 'via', '10.77.0.1']);
  expect(await one.ping(b.ip)).toBe(false);
});

test('F18, F19: a restart adopts living TAPs, sweeps unknown ones and replaces the old dnsmasq', async () => {
  const address = addressOf(2);
  const guest = await lab.guest(config, address);
  await network.attach(address, progress());
  await guest.dhcp();
  const oldDnsmasq = await findRecordedDnsmasq(config.runDir);
  await runIn(config.name)('ip', ['tuntap', 'add', 'dev', 'tapdeadbeef', 'mode', 'tap']);
  const indexOf = async (): Promise<string | undefined> =>
    (await linksInside())
      .split('\n')
      .find((line) => line.includes(address.tap))
      ?.split(':')[0];
  const index = await indexOf();

  // The former daemon was killed: nothing of it was stopped.
  const successor = lab.network(config);
  await successor.start(progress());
  // Between start and sync the guest's pins hold.
  expect(await guest.ping('10.77.0.1')).toBe(true);
  await successor.sync([address, addressOf(5)], progress());
  expect(await indexOf()).toBe(index);
  expect(await linksInside()).not.toContain('tapdeadbeef');
  expect(await linksInside()).toContain(addressOf(5).tap);
  const newDnsmasq = await findRecordedDnsmasq(config.runDir);
  expect(newDnsmasq?.pid).not.toBe(oldDnsmasq?.pid);
  expect(await successor.leaseOf(address.mac)).toMatchObject({ ip: address.ip });
  expect(await guest.ping('10.77.0.1')).toBe(true);
  expect((await guest.dhcp())?.ip).toBe(address.ip);
  expect((await successor.checks()).filter(({ ok }) => !ok)).toEqual([]);
});

test('a dnsmasq that dies is started again with its reservations', async () => {
  const address = addressOf(2);
  const guest = await lab.guest(config, address);
  await network.attach(address, progress());
  const identity = await findRecordedDnsmasq(config.runDir);
  process.kill(identity?.pid ?? 0, 'SIGKILL');
  await vi.waitFor(
    async () => expect((await network.checks())[1]).toMatchObject({ name: 'dnsmasq', ok: false }),
    2000,
  );
  await vi.waitFor(async () => expect((await network.checks())[1]?.ok).toBe(true), 5000);
  expect((await guest.dhcp())?.ip).toBe(address.ip);
});

test('a dnsmasq that hangs is replaced, and a lease that it would not release is gone all the same', async () => {
  const address = addressOf(2);
  const guest = await lab.guest(config, address);
  await network.attach(address, progress());
  await guest.dhcp();
  const hang = async (): Promise<number> => {
    const pid = (await findRecordedDnsmasq(config.runDir))?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    return pid;
  };
  const first = await hang();
  await network.attach(addressOf(3), progress());
  expect((await findRecordedDnsmasq(config.runDir))?.pid).not.toBe(first);
  await hang();
  await network.detach(address);
  expect(await network.leaseOf(address.mac)).toBeUndefined();
  expect((await network.checks()).filter(({ ok }) => !ok)).toEqual([]);
});

test('checks tell what is not as it should be', async () => {
  const address = addressOf(2);
  await network.attach(address, progress());
  const gateway = runIn(config.name);
  const faults = async (): Promise<string[]> =>
    (await network.checks()).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
  expect(await faults()).toEqual([]);
  await gateway('nft', ['add', 'rule', 'inet', 'hearth', 'input', 'accept']);
  expect(await faults()).toEqual(['firewall: the rules of family inet were changed by something else']);
  await gateway('nft', ['delete', 'table', 'bridge', 'hearth']);
  expect((await faults()).join()).toContain('family bridge is gone');
  await gateway('ip', ['link', 'set', address.tap, 'nomaster']);
  expect((await faults()).join()).toContain(`not on the bridge: ${address.tap}`);
  await gateway('ip', ['addr', 'flush', 'dev', 'hearth0']);
  expect((await faults()).join()).toMatch(/bridge: hearth0 has no address instead of 10\.77\.0\.1\/24/);
  await network.sync([address], progress());
  expect(await faults()).toEqual([]);
});

test('unknown names are answered at once without an uplink, and known ones by address', async () => {
  const address = addressOf(2);
  const guest = await lab.guest(config, address);
  await network.attach(address, progress());
  await guest.dhcp();
  const look = async (name: string): Promise<string> =>
    (await guest.run('busybox', ['nslookup', name, '10.77.0.1'], { okCodes: [0, 1], timeoutMs: 4000 }))
      .stdout;
  expect(await look('gateway.hearth.internal')).toContain('10.77.0.1');
  expect(await look('example.com')).toMatch(/REFUSED|NXDOMAIN|can't/);
});

test('two networks with the same subnet stand side by side where nothing joins them', async () => {
  const other = lab.config('b', SUBNET);
  await prepareNamespace(other, lab.machine, progress());
  const second = lab.network(other);
  await second.start(progress());
  await second.sync([], progress());
  const address = addressOf(2);
  const guests = [await lab.guest(config, address), await lab.guest(other, address)];
  await network.attach(address, progress());
  await second.attach(address, progress());
  for (const guest of guests) expect((await guest.dhcp())?.ip).toBe(address.ip);
  await second.detach(address);
  expect(await guests[0]?.ping('10.77.0.1')).toBe(true);
});
