import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LeaseEvent } from './leases.ts';
import { prepareNamespace } from './namespace.ts';
import { openLab, progress, runIn, startIn, vmIdOf, type Lab } from './network-lab.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

test('F2: QEMU that gave up root passes IP through the TAP: its boot ROM gets the booked address', async () => {
  const config = lab.config('a', { subnet: '10.77.0.0/24', transitSubnet: '10.78.0.0/30', uplink: 'none' });
  await prepareNamespace(config, lab.machine, progress());
  const network = lab.network(config);
  await network.start(progress());
  await network.sync([], progress());
  const address = lab.book(config).allocate(vmIdOf(1));
  await network.attach(address, progress());
  const heard: LeaseEvent[] = [];
  network.onLease((event) => heard.push(event));
  const lines: string[] = [];
  lab.background(
    startIn(config.name)(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg', '-m', '64', '-nodefaults', '-display', 'none', '-boot', 'n', '-runas', 'nobody'],
        ...['-netdev', `tap,id=n0,ifname=${address.tap},script=no,downscript=no`],
        ...['-device', `virtio-net-pci,netdev=n0,mac=${address.mac}`],
      ],
      (line) => lines.push(line),
    ),
  );
  await vi.waitFor(
    () => expect({ heard, lines }).toMatchObject({ heard: [{ mac: address.mac, ip: address.ip }] }),
    {
      timeout: 60_000,
      interval: 200,
    },
  );
  expect((await runIn(config.name)('ip', ['-d', 'link', 'show', address.tap])).stdout).toMatch(
    /vnet_hdr on persist on user nobody/,
  );
});
