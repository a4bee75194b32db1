import { VNC_PORT, type Config, type ConfigInput } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../exec/run.ts';
import { prepareNamespace } from './namespace.ts';
import { openLab, ping, progress, runIn, vmIdOf, type Guest, type Lab } from './network-lab.ts';

/**
 * guest — Hearth's namespace — machine (10.78.0.1, 203.0.113.1) — the world (203.0.113.10, and private 10.9.0.5).
 * 203.0.113.0/24 is for documentation and so not among the private networks.
 */
let lab: Lab;
let world: string;
beforeEach(async () => {
  lab = await openLab();
  world = await lab.namespace('w');
  await lab.machine('ip', ['link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', world]);
  await lab.machine('ip', ['addr', 'add', '203.0.113.1/24', 'dev', 'lan']);
  await lab.machine('ip', ['link', 'set', 'lan', 'mtu', '1400', 'up']);
  await run('ip', ['-n', world, 'addr', 'add', '203.0.113.10/24', 'dev', 'eth0']);
  await run('ip', ['-n', world, 'addr', 'add', '10.9.0.5/32', 'dev', 'lo']);
  await run('ip', ['-n', world, 'link', 'set', 'eth0', 'mtu', '1400', 'up']);
  await lab.machine('ip', ['route', 'add', 'default', 'via', '203.0.113.10']);
  await lab.serve(world, 80, 'world');
  await lab.serve(world, 8080, 'gateway');
  await lab.serve(lab.machineName, 80, 'machine');
});
afterEach(() => lab.close());

async function openGuest(
  network: ConfigInput['network'],
): Promise<{ config: Config; guest: Guest; ip: string }> {
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30', ...network });
  await prepareNamespace(config, lab.machine, progress());
  const hearth = lab.network(config);
  await hearth.start(progress());
  await hearth.sync([], progress());
  const address = lab.book(config).allocate(vmIdOf(1));
  const guest = await lab.guest(config, address);
  await hearth.attach(address, progress());
  await guest.dhcp();
  return { config, guest, ip: address.ip };
}

test('nat: the internet is reached under the address of the machine, and nothing private but what is allowed', async () => {
  const { config, guest } = await openGuest({
    uplink: 'nat',
    allow: ['10.9.0.5:8080'],
    dnsServers: ['203.0.113.10'],
  });
  expect(await guest.fetch('203.0.113.10', 80)).toBe('world');
  expect(await guest.fetch('10.9.0.5', 8080)).toBe('gateway');
  expect(await guest.fetch('10.9.0.5', 80)).toBeNull();
  // The machine itself, by each of its addresses.
  expect(await guest.fetch('203.0.113.1', 80)).toBeNull();
  expect(await guest.fetch('10.78.0.1', 80)).toBeNull();
  // The world has no route back to VMs or transit: answers came through the machine's address.
  expect((await run('ip', ['-n', world, 'route'])).stdout).not.toContain('10.7');
  // The namespace has nothing that a VM could dial but DNS.
  expect(await guest.fetch('10.78.0.2', 80)).toBeNull();
  expect((await runIn(config.name)('ip', ['link', 'show', 'uplink'])).stdout).toContain('mtu 1400');
});

test('the operator dials a VM from the machine, and nobody dials it from behind the machine', async () => {
  const { guest, ip } = await openGuest({ uplink: 'nat', dnsServers: ['203.0.113.10'] });
  const served = guest.run('busybox', ['nc', '-l', '-p', '9000', '-e', 'echo', 'hello'], {
    timeoutMs: 20_000,
  });
  await run('ip', ['-n', world, 'route', 'add', '10.77.0.0/24', 'via', '203.0.113.1']);
  const fromWorld = await runIn(world)('busybox', ['nc', '-w', '2', ip, '9000'], { okCodes: [0, 1] });
  expect(fromWorld.stdout).not.toContain('hello');
  const fromMachine = await lab.machine('busybox', ['nc', '-w', '2', ip, '9000'], { okCodes: [0, 1] });
  expect(fromMachine.stdout).toContain('hello');
  await served;
  expect(await ping(lab.machine, ip)).toBe(true);
});

test('a desktop is dialled from the namespace of the host daemon only, not by other programs of the machine', async () => {
  const { config, guest, ip } = await openGuest({ uplink: 'nat', dnsServers: ['203.0.113.10'] });
  const port = String(VNC_PORT);
  const served = guest.run('busybox', ['nc', '-l', '-p', port, '-e', 'echo', 'RFB 003.008'], {
    timeoutMs: 20_000,
  });
  const dial = { okCodes: [0, 1] };
  const fromMachine = await lab.machine('busybox', ['nc', '-w', '2', ip, port], dial);
  expect(fromMachine.stdout).not.toContain('RFB');
  // It was the firewall that kept the machine out: the server still waits for its one caller.
  const fromNamespace = await runIn(config.name)('busybox', ['nc', '-w', '2', ip, port], dial);
  expect(fromNamespace.stdout).toContain('RFB');
  await served;
});

test('host: the machine reaches the VM, and the VM reaches an allowed port of the machine only', async () => {
  const { guest, ip } = await openGuest({ uplink: 'host', allow: ['203.0.113.1:80'] });
  await lab.machine('tee', ['/proc/sys/net/ipv4/ip_forward'], { input: '1' });
  expect(await ping(lab.machine, ip)).toBe(true);
  expect(await guest.fetch('203.0.113.1', 80)).toBe('machine');
  expect(await guest.fetch('10.78.0.1', 80)).toBeNull();
  expect(await guest.fetch('203.0.113.10', 80)).toBeNull();
});

test('none: a service in the namespace that is allowed is reached, and no other', async () => {
  const { config, guest } = await openGuest({ uplink: 'none', allow: ['10.77.0.1:8080'] });
  await lab.serve(config.name, 8080, 'inside');
  await lab.serve(config.name, 8081, 'hidden');
  expect(await guest.fetch('10.77.0.1', 8080)).toBe('inside');
  expect(await guest.fetch('10.77.0.1', 8081)).toBeNull();
  expect(await guest.fetch('203.0.113.10', 80)).toBeNull();
});
