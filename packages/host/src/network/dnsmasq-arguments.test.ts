import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, type Config } from '@hearth/contract';
import { expect, test } from 'vitest';
import { planNetwork } from './addressing.ts';
import { dnsmasqArguments, hostsFile } from './dnsmasq-arguments.ts';
import { dnsmasqPaths } from './dnsmasq-record.ts';
import { findUpstream, type Upstream } from './resolvers.ts';

const plan = planNetwork(parseConfig({}, {}));
const paths = dnsmasqPaths('/run/hearth/x', '/var/lib/hearth/x');
const network = (over: Partial<Config['network']>): Config['network'] => ({
  ...parseConfig({}, {}).network,
  ...over,
});
const silent = (): void => undefined;

test('F46: reservations are bound to the MAC, whatever client id comes', () => {
  expect(hostsFile([{ mac: '02:48:0a:05:00:02', ip: '10.5.0.2', hostname: 'vm-a' }])).toBe(
    '02:48:0a:05:00:02,id:*,10.5.0.2,vm-a,infinite\n',
  );
  expect(dnsmasqArguments(plan, paths, { type: 'none', reason: '' }, {}, 'dnsmasq')).toContain(
    '--dhcp-ignore-clid',
  );
});

test('F1: only booked addresses are given, and nothing of the system is read', () => {
  const list = dnsmasqArguments(plan, paths, { type: 'none', reason: '' }, {}, 'dnsmasq');
  expect(list).toContain('--dhcp-range=192.168.100.0,static,255.255.255.0,infinite');
  expect(list).toContain('--conf-file=/dev/null');
  expect(list).toContain('--no-hosts');
  expect(list).toContain('--no-resolv');
  expect(list.some((argument) => argument.startsWith('--server='))).toBe(false);
});

test('more VMs than the thousand leases that dnsmasq allows by itself', () => {
  const large = planNetwork(parseConfig({ network: { subnet: '10.5.0.0/16' } }, {}));
  expect(dnsmasqArguments(large, paths, { type: 'none', reason: '' }, {}, 'dnsmasq')).toContain(
    '--dhcp-lease-max=65533',
  );
});

test('each kind of upstream has its arguments', () => {
  const of = (upstream: Upstream): string[] =>
    dnsmasqArguments(plan, paths, upstream, {}, 'dnsmasq').slice(-2);
  expect(of({ type: 'servers', servers: ['9.9.9.9'] })).toEqual(['--no-resolv', '--server=9.9.9.9']);
  expect(of({ type: 'file', path: '/etc/resolv.conf', servers: ['9.9.9.9'] })).toContain(
    '--resolv-file=/etc/resolv.conf',
  );
});

test('the DNS servers are those configured, else those of the host behind its stub', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-resolv-'));
  const [stub, real, absent] = ['stub', 'real', 'absent'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(stub, 'search lan\nnameserver 127.0.0.53\n');
  await writeFile(real, '# made by resolved\nnameserver 10.0.0.1\nnameserver fe80::1\n');
  expect(await findUpstream(network({ dnsServers: ['9.9.9.9'] }), silent, [real])).toEqual({
    type: 'servers',
    servers: ['9.9.9.9'],
  });
  expect(await findUpstream(network({}), silent, [stub, real])).toEqual({
    type: 'file',
    path: real,
    servers: ['10.0.0.1'],
  });
  const none = await findUpstream(network({}), silent, [stub, absent]);
  expect(none).toMatchObject({
    type: 'none',
    reason: expect.stringContaining('network.dnsServers') as string,
  });
  expect((await findUpstream(network({ uplink: 'none' }), silent, [real])).type).toBe('none');
  await rm(folder, { recursive: true });
});

test('names of the configuration are known to VMs', () => {
  const names = { 'gateway.example': '10.0.0.5' };
  expect(dnsmasqArguments(plan, paths, { type: 'none', reason: '' }, names, 'dnsmasq')).toContain(
    '--host-record=gateway.example,10.0.0.5',
  );
});
