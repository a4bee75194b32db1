import { join } from 'node:path';
import { parseConfig, startProgress, type ConfigInput, type ImageManifest } from '@hearth/contract';
import { countTraces, noTraces, openRoom } from '@hearth/testing';
import { beforeAll, expect, test } from 'vitest';
import { noCgroups } from '../packages/host/src/vmm/cgroup.ts';
import { createVmmSource } from '../packages/host/src/vmm/vmm-source.ts';
import { openImageSource } from '../packages/host/src/images/image-source.ts';
import { listImages, readImage } from '../packages/host/src/images/image-store.ts';
import { faultyNetworkSchema, type FaultyNetworkInput } from './identity/faulty-network.ts';
import { hearthNetworkSchema, type HearthNetworkInput } from './identity/hearth-network.ts';

/**
 * The identity faults of failures.md, twice each: with real guests of the golden image on a network that has the fault, and
 * with the same guests on ours. Same image, same QEMU line; only what Hearth adds is different.
 */
const STORE = process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth';
const SCRIPT_TIMEOUT_MS = 500_000;
const CLONED_ID = '0123456789abcdef0123456789abcdef';
const OTHER_ID = 'fedcba9876543210fedcba9876543210';

/**
 * networkd as it is without our image's file: the client id comes from the machine-id. The IAID in it comes from the PCI slot's
 * name where there is PCI, the same in all clones; QEMU's microvm has none, so it is set.
 */
const DEFAULT_CLIENT_ID =
  '[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=duid\nIAID=1\n';
const staticAddress = (cidr: string): string =>
  `[Match]\nName=eth0\n[Network]\nAddress=${cidr}\nLinkLocalAddressing=no\n`;

let manifest: ImageManifest;
let template: string;
let accelerator: 'kvm' | 'tcg';

beforeAll(async () => {
  const [newest] = await listImages(STORE);
  if (newest === undefined) throw new Error(`${STORE} holds no image; run \`hearth image build\``);
  manifest = await readImage(STORE, newest.id);
  const images = { ...openImageSource(STORE), current: () => Promise.resolve(manifest) };
  const config = parseConfig({ imageStore: STORE }, {});
  template = await images.upperTemplate(
    config.vms.cli.diskMiB,
    startProgress({ what: 'template', timeoutMs: 60_000 }),
  );
  ({ accelerator } = await createVmmSource({
    config,
    images,
    cgroups: noCgroups,
    log: () => undefined,
  }).probe());
});

async function onFaultyNetwork(rounds: FaultyNetworkInput['rounds']) {
  await using room = await openRoom();
  const input: FaultyNetworkInput = { manifest, template, accelerator, folder: room.folder, rounds };
  const script = join(import.meta.dirname, 'identity/faulty-network.ts');
  return faultyNetworkSchema.parse(await room.inside(script, input, SCRIPT_TIMEOUT_MS));
}

/** Also counts what the VMs left once the host's runtime is closed. */
async function onOurNetwork(scenario: HearthNetworkInput['scenario']) {
  await using room = await openRoom();
  const config: ConfigInput = {
    name: room.name,
    stateDir: join(room.folder, 'state'),
    runDir: join(room.folder, 'run'),
    imageStore: STORE,
    network: { subnet: '10.98.0.0/24', uplink: 'none' },
    // The machine may be busy with more than this test.
    vms: { readyTimeoutMs: 60_000 },
  };
  const script = join(import.meta.dirname, 'identity/hearth-network.ts');
  const input: HearthNetworkInput = { config, manifest, scenario };
  const { vms, said } = hearthNetworkSchema.parse(await room.inside(script, input, SCRIPT_TIMEOUT_MS));
  return { vms, said, traces: await countTraces(parseConfig(config, {})) };
}

test('F46, the fault: two clones with one machine-id get one address from a pool', async () => {
  const guest = { booked: null, machineId: CLONED_ID, networkFile: DEFAULT_CLIENT_ID };
  const { rounds, leases, dnsmasq } = await onFaultyNetwork([
    [
      { ...guest, mac: '02:48:0a:63:00:0a' },
      { ...guest, mac: '02:48:0a:63:00:0b' },
    ],
  ]);
  const [one, two] = rounds[0] ?? [];
  expect([one?.report.machineId, two?.report.machineId]).toEqual([CLONED_ID, CLONED_ID]);
  expect(one?.report.bootId).not.toBe(two?.report.bootId);
  expect(one?.ip, dnsmasq).toMatch(/^10\.99\.0\./);
  expect(two?.ip, 'both live and both have it').toBe(one?.ip);
  // dnsmasq knows of one guest only, whichever asked last.
  expect(leases.trim().split('\n').length).toBe(1);
  expect(leases).toContain(one?.ip);
});

test('F46: on our network each gets what is booked for it, and VMs share nothing that makes them who they are', async () => {
  const { vms, traces } = await onOurNetwork({ name: 'clones', networkFile: DEFAULT_CLIENT_ID });
  const [one, two, clone] = vms;
  for (const { vm, booked, guest } of vms) {
    expect(vm.state, JSON.stringify(vm.failure)).toBe('ready');
    expect(guest).toMatchObject({
      addresses: booked.ip,
      hostname: vm.id,
      mac: booked.mac,
      machineId: booked.machineId,
    });
  }
  expect(clone?.guest?.machineId, 'the planted fault').toBe(one?.guest?.machineId);
  expect(two?.guest?.machineId).not.toBe(one?.guest?.machineId);
  for (const what of ['addresses', 'hostname', 'mac', 'bootId', 'random'] as const) {
    const values = vms.map(({ guest }) => guest?.[what]);
    expect(new Set(values).size, `${what}: ${values.join(', ')}`).toBe(3);
  }
  expect(one?.guest?.random).toMatch(/^[0-9a-f]{64}$/);
  expect(traces).toEqual(noTraces);
});

test('F1, the fault: an address that still has a lease, or a guest with a second configuration, is never reached', async () => {
  const guest = { networkFile: null, machineId: CLONED_ID };
  const { rounds, dnsmasq } = await onFaultyNetwork([
    [
      { ...guest, mac: '02:48:0a:63:00:02', booked: '10.99.0.2' },
      {
        mac: '02:48:0a:63:00:03',
        booked: '10.99.0.3',
        machineId: OTHER_ID,
        networkFile: staticAddress('10.99.0.77/24'),
      },
    ],
    // The first one is gone, and its address is handed to another MAC; nobody released the lease.
    [{ ...guest, machineId: OTHER_ID, mac: '02:48:aa:bb:cc:dd', booked: '10.99.0.2' }],
  ]);
  const [[former, stubborn] = [], [heir] = []] = rounds;
  expect(former, 'the control: nothing is wrong with it').toMatchObject({
    ip: '10.99.0.2',
    dialled: 'answered',
  });
  expect(stubborn).toMatchObject({ ip: '10.99.0.77', dialled: 'EHOSTUNREACH' });
  expect(dnsmasq).toMatch(/not using configured address 10\.99\.0\.2 because it is leased to/);
  expect(heir?.ip).toMatch(/^10\.99\.0\.([5-9]\d)$/);
  // The neighbour table may still know the one that is gone.
  expect(heir?.dialled).toMatch(/^(EHOSTUNREACH|timeout)$/);
});

test('F1: on our network an address goes to another MAC at once, and its VM is reached there', async () => {
  const mac = '02:48:aa:bb:cc:dd';
  const { vms, said, traces } = await onOurNetwork({ name: 'handover', mac });
  const [former, heir] = vms;
  expect(former?.vm.state, JSON.stringify(former?.vm.failure)).toBe('ready');
  expect(heir?.vm.state, JSON.stringify(heir?.vm.failure)).toBe('ready');
  expect(heir?.guest).toMatchObject({ addresses: former?.booked.ip, mac });
  expect(former?.guest).toMatchObject({ addresses: former?.booked.ip, mac: former?.booked.mac });
  expect(former?.booked.mac).not.toBe(mac);
  expect(said.join('\n'), 'the lease was released, dnsmasq never restarted').not.toMatch(
    /released|started again/,
  );
  expect(traces).toEqual(noTraces);
});

test('F1: a guest with a second configuration fails with both addresses in words, and leaves nothing', async () => {
  const networkFile = staticAddress('10.98.0.77/24');
  const { vms, traces } = await onOurNetwork({ name: 'second source', networkFile });
  const [finding] = vms;
  expect(finding?.vm).toMatchObject({ state: 'failed', failure: { code: 'address_mismatch' } });
  expect(finding?.vm.failure?.detail).toContain('10.98.0.77');
  expect(finding?.vm.failure?.detail).toContain(finding?.booked.ip);
  expect(traces).toEqual(noTraces);
});
