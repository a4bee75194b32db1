import { appendFile, chmod, copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Address, Config, DriftReport, SweepReport, VmId } from '@hearth/contract';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startChild } from '../exec/daemon.ts';
import { identifyProcess } from '../exec/process-identity.ts';
import { dnsmasqPaths, findRecordedDnsmasq } from '../network/dnsmasq-record.ts';
import type { HostNetwork } from '../network/host-network.ts';
import { openLab, progress, runIn, vmIdOf, type Guest, type Lab } from '../network/network-lab.ts';
import { prepareNamespace } from '../network/namespace.ts';
import type { Run } from '../network/run-port.ts';
import { openCgroups, type CgroupTree } from '../vmm/cgroup.ts';
import { vmPaths } from '../vms/vm-paths.ts';
import type { ExpectingRecord } from './expectation.ts';
import { createReconciler, type Reconciler } from './reconciler.ts';
import { createSweeper, type Sweeper } from './sweeper.ts';

let lab: Lab;
let config: Config;
let network: HostNetwork;
let reconciler: Reconciler;
let sweeper: Sweeper;
let cgroups: CgroupTree;
let book: ReturnType<Lab['book']>;
let inside: Run;
let guest: Guest;
let address: Address;
let records: ExpectingRecord[];
const id = vmIdOf(1);
const stranger = vmIdOf(9);

/** A VM whose VMM is this test, and whose guest is a namespace. */
beforeEach(async () => {
  lab = await openLab();
  config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30', uplink: 'nat' });
  await prepareNamespace(config, lab.machine, progress());
  inside = runIn(config.name);
  network = lab.network(config);
  await network.start(progress());
  await network.sync([], progress());
  book = lab.book(config);
  address = book.allocate(id);
  guest = await lab.guest(config, address);
  await network.attach(address, progress());
  expect((await guest.dhcp())?.ip).toBe(address.ip);
  const paths = vmPaths(config, id);
  for (const folder of [paths.folder, paths.runFolder, paths.consoleFolder])
    await mkdir(folder, { recursive: true });
  for (const file of [paths.upper, paths.console.logPath, paths.control]) await writeFile(file, '');
  records = [{ id, state: 'ready', vmm: await identifyProcess(process.pid), address, saved: null }];
  const deps = { config, records: () => records, book, network, log: () => undefined };
  reconciler = createReconciler(deps);
  cgroups = await openCgroups(`hearth-${config.name}`, () => undefined);
  sweeper = createSweeper({ ...deps, cgroups });
});
afterEach(async () => {
  await reconciler.stop();
  for (const name of await cgroups.list()) await cgroups.remove(name);
  await cgroups.close();
  await lab.close();
});

const pass = (): Promise<DriftReport> => reconciler.pass(progress());
const named = ({ drifts }: DriftReport): string[] =>
  drifts.map(({ subject, outcome }) => `${subject} ${outcome}`).sort();
const reaches = (): Promise<boolean> => guest.ping('10.77.0.1');

test('a machine that is as the book says has no drift, and nothing to sweep', async () => {
  expect(named(await pass())).toEqual([]);
  expect((await sweeper.sweep({ dryRun: true }, progress())).leftovers).toEqual([]);
  expect(await reaches()).toBe(true);
});

const faults: [what: string, spoil: () => Promise<unknown>, drifts: string[]][] = [
  ['a TAP is down', () => inside('ip', ['link', 'set', address.tap, 'down']), ['tap repaired']],
  [
    'a TAP is off the bridge',
    () => inside('ip', ['link', 'set', address.tap, 'nomaster']),
    ['fdb repaired', 'tap repaired'],
  ],
  [
    'the bridge forgot the MAC',
    () => inside('bridge', ['fdb', 'del', address.mac, 'dev', address.tap, 'master']),
    ['fdb repaired'],
  ],
  [
    'the bridge’s address is gone',
    () => inside('ip', ['addr', 'flush', 'dev', 'hearth0']),
    ['bridge repaired'],
  ],
  ['the bridge is down', () => inside('ip', ['link', 'set', 'hearth0', 'down']), ['bridge repaired']],
  [
    'the bridge is gone',
    () => inside('ip', ['link', 'del', 'hearth0']),
    ['bridge repaired', 'fdb repaired', 'tap repaired'],
  ],
  [
    'IP is not forwarded',
    () => inside('tee', ['/proc/sys/net/ipv4/ip_forward'], { input: '0' }),
    ['forwarding repaired'],
  ],
  ['the firewall is flushed', () => inside('nft', ['flush', 'ruleset']), ['firewall repaired']],
  [
    'a rule was added to ours',
    () => inside('nft', ['add', 'rule', 'inet', 'hearth', 'forward', 'drop']),
    ['firewall repaired'],
  ],
  [
    'a pin is gone',
    () => inside('nft', ['flush', 'set', 'bridge', 'hearth', 'pinned']),
    ['pin repaired', 'pin repaired'],
  ],
  [
    'F1: a neighbour entry holds another MAC',
    () =>
      inside('ip', [
        'neigh',
        'replace',
        address.ip,
        'lladdr',
        '02:48:aa:aa:aa:aa',
        'dev',
        'hearth0',
        'nud',
        'permanent',
      ]),
    ['neighbour repaired'],
  ],
  [
    'F1: the reservations were edited',
    () =>
      writeFile(
        dnsmasqPaths(config.runDir, config.stateDir).hosts,
        `${address.mac},id:*,10.77.0.99,x,infinite\n`,
      ),
    ['reservation repaired'],
  ],
  [
    'F1: another address is leased',
    () => writeFile(dnsmasqPaths(config.runDir, config.stateDir).leases, `0 ${address.mac} 10.77.0.99 x *\n`),
    ['lease repaired'],
  ],
  [
    'dnsmasq hangs',
    async () => process.kill((await findRecordedDnsmasq(config.runDir))?.pid ?? 0, 'SIGSTOP'),
    ['dnsmasq repaired'],
  ],
];

test.each(faults)('drift is repaired, once: %s', { timeout: 60_000 }, async (_what, spoil, drifts) => {
  await spoil();
  expect(named(await pass())).toEqual(drifts);
  expect(named(await pass())).toEqual([]);
  expect(await reaches()).toBe(true);
  expect((await guest.dhcp())?.ip).toBe(address.ip);
  expect((await network.checks()).filter(({ ok }) => !ok)).toEqual([]);
});

test(
  'dnsmasq that was killed is back, whether its supervisor or the pass was faster',
  { timeout: 60_000 },
  async () => {
    process.kill((await findRecordedDnsmasq(config.runDir))?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(async () => expect(await findRecordedDnsmasq(config.runDir)).toBeNull());
    expect(['', 'dnsmasq repaired']).toContain(named(await pass()).join());
    expect(named(await pass())).toEqual([]);
    expect((await guest.dhcp())?.ip).toBe(address.ip);
  },
);

test('a TAP that was removed is made anew, and that no VMM holds it is named until one does', async () => {
  await inside('ip', ['link', 'del', address.tap]);
  expect(named(await pass())).toEqual(['tap named', 'tap repaired']);
  expect(named(await pass())).toEqual(['tap named']);
});

test('another tool’s chain that drops is named, in here and in the machine’s own network, until it is gone', async () => {
  for (const run of [inside, lab.machine]) {
    await run('nft', ['add', 'table', 'ip', 'other']);
    await run('nft', ['add chain ip other passing { type filter hook forward priority 0; policy drop; }']);
    expect((await pass()).drifts).toMatchObject([
      { subject: 'firewall', outcome: 'named', name: 'ip other passing (forward)' },
    ]);
    await run('nft', ['delete', 'table', 'ip', 'other']);
    expect(named(await pass())).toEqual([]);
  }
  // A table that lets our uplink pass is one that its owner opened for us.
  await lab.machine('nft', ['add', 'table', 'ip', 'other']);
  await lab.machine('nft', [
    'add chain ip other passing { type filter hook forward priority 0; policy drop; }',
  ]);
  await lab.machine('nft', [
    'add',
    'rule',
    'ip',
    'other',
    'passing',
    'iifname',
    `${config.name}-up`,
    'counter',
    'accept',
  ]);
  expect(named(await pass())).toEqual([]);
});

test('a VMM that is dead, and files that are gone, are named', async () => {
  const { upper, console } = vmPaths(config, id);
  records = records.map((record) => ({ ...record, vmm: { pid: process.pid, startTicks: 1 } }));
  for (const path of [upper, console.logPath]) await runIn(config.name)('rm', [path]);
  expect(named(await pass())).toEqual(['console named', 'disk named', 'process named']);
});

/** A program of the name of a VMM, with a command line of that VM's. */
async function startVmm(vmId: VmId, program = 'qemu-system-fake'): Promise<number> {
  const path = join(lab.folder, program);
  await copyFile('/bin/sh', path);
  await chmod(path, 0o755);
  const fifo = join(lab.folder, `${program}.fifo`);
  await lab.machine('mkfifo', [fifo]);
  const child = startChild(
    path,
    ['-c', `read line < ${fifo}`, path, '-pidfile', vmPaths(config, vmId).pid],
    () => undefined,
  );
  lab.background(child);
  return child.pid ?? 0;
}

const kinds = ({ leftovers }: SweepReport): string[] => leftovers.map(({ kind }) => kind).sort();

test(
  'F18, F19: all that has no record is named in a dry run, removed by a real one, and then there is none',
  { timeout: 60_000 },
  async () => {
    const paths = vmPaths(config, stranger);
    const strange = book.allocate(vmIdOf(8));
    await inside('ip', ['tuntap', 'add', 'dev', 'tapdeadbeef', 'mode', 'tap']);
    await inside('nft', [
      'add',
      'element',
      'bridge',
      'hearth',
      'pinned',
      '{ "tapdeadbeef" . 02:48:00:00:00:99 . 10.77.0.99 }',
    ]);
    const { hosts, leases } = dnsmasqPaths(config.runDir, config.stateDir);
    await appendFile(hosts, '02:48:00:00:00:99,id:*,10.77.0.99,x,infinite\n');
    await appendFile(leases, '0 02:48:00:00:00:99 10.77.0.99 x *\n');
    for (const folder of [paths.folder, paths.runFolder, paths.consoleFolder, join(config.runDir, 'saves')])
      await mkdir(folder, { recursive: true });
    await writeFile(paths.upper, 'something that was typed');
    await writeFile(paths.saveSocket, '');
    const server = createServer().listen(paths.control);
    const pid = await startVmm(stranger);
    const innocent = await startVmm(stranger, 'sleepy');
    await cgroups.create(stranger, { memMiB: 64, cpus: 1 });
    const groups = cgroups.version === 'none' ? [] : ['cgroup'];
    const expected = [
      ...[
        'address',
        'disk',
        'folder',
        'folder',
        'lease',
        'pin',
        'process',
        'reservation',
        'socket',
        'socket',
        'tap',
      ],
      ...groups,
    ].sort();

    const dry = await sweeper.sweep({ dryRun: true }, progress());
    expect(kinds(dry)).toEqual(expected);
    expect(dry.leftovers.every(({ removed, detail }) => removed === null && detail !== '')).toBe(true);
    expect(await readFile(paths.upper, 'utf8')).toBe('something that was typed');

    const before = new Map(sweeper.removed());
    const swept = await sweeper.sweep({ dryRun: false }, progress());
    expect(kinds(swept)).toEqual(expected);
    expect(swept.leftovers.filter(({ removed }) => removed !== true)).toEqual([]);
    const counted = [...sweeper.removed()].flatMap(([kind, count]) =>
      Array.from({ length: count - (before.get(kind) ?? 0) }, () => kind),
    );
    expect(counted.sort()).toEqual(expected);
    expect((await sweeper.sweep({ dryRun: false }, progress())).leftovers).toEqual([]);

    expect(await identifyProcess(pid)).toBeNull();
    expect(await identifyProcess(innocent)).not.toBeNull();
    expect(await readdir(join(config.stateDir, 'vms'))).toEqual([id]);
    expect(await readdir(join(config.runDir, 'vms'))).toEqual([id]);
    // A console without a record is kept for its time.
    expect((await readdir(join(config.stateDir, 'consoles'))).sort()).toEqual([id, stranger].sort());
    expect(book.list().map(({ vmId }) => vmId)).toEqual([id]);
    expect(book.get(vmIdOf(8))).toBeUndefined();
    expect(strange.ip).not.toBe(address.ip);
    expect(named(await pass())).toEqual([]);
    expect(await reaches()).toBe(true);
    server.close();
  },
);

test('F20: VMs that come and go while it sweeps lose nothing', { timeout: 120_000 }, async () => {
  const wrong: string[] = [];
  const round = { over: false };
  const sweeps = (async () => {
    while (!round.over) {
      const { leftovers } = await sweeper.sweep({ dryRun: false }, progress());
      wrong.push(...leftovers.map(({ kind, name }) => `swept ${kind} ${name}`));
      wrong.push(...(await pass()).drifts.map(({ subject, name }) => `drift ${subject} ${name}`));
    }
  })();
  for (let n = 0; n < 6; n += 1) {
    const vmId = vmIdOf(20 + n);
    const base = { id: vmId, vmm: null, saved: null };
    const update = (record: ExpectingRecord): void => {
      records = [...records.filter((one) => one.id !== vmId), record];
    };
    update({ ...base, state: 'creating', address: null });
    const own = book.allocate(vmId);
    update({ ...base, state: 'creating', address: own });
    const paths = vmPaths(config, vmId);
    for (const folder of [paths.folder, paths.runFolder, paths.consoleFolder])
      await mkdir(folder, { recursive: true });
    for (const file of [paths.upper, paths.console.logPath]) await writeFile(file, '');
    await network.attach(own, progress());
    const vmm = await identifyProcess(process.pid);
    update({ ...base, state: 'booting', address: own, vmm });
    await new Promise((done) => setTimeout(done, 150));
    update({ ...base, state: 'deleting', address: own });
    await network.detach(own);
    book.free(vmId);
    update({ ...base, state: 'deleting', address: null });
    for (const folder of [paths.folder, paths.runFolder]) await inside('rm', ['-r', folder]);
    records = records.filter((one) => one.id !== vmId);
  }
  round.over = true;
  await sweeps;
  expect(wrong).toEqual([]);
  expect(await reaches()).toBe(true);
});
