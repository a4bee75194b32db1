import { guestReportSchema, type GuestAddress } from '@hearth/contract';
import { expect, it } from 'vitest';
import { createFakeGuest, type FakeGuest } from '../testing/fake-guest.ts';
import type { GuestView } from './guest-view.ts';
import { makeReport } from './make-report.ts';

const MACHINE_ID = 'a'.repeat(32);
const guest = (): FakeGuest =>
  createFakeGuest({
    ...{
      mac: '02:00:00:00:00:01',
      machineId: MACHINE_ID,
      hostname: 'one',
      isUp: true,
      frozen: false,
      pool: '',
    },
  });
const report = async (view: Partial<GuestView> = {}, readAddresses?: () => Promise<GuestAddress[]>) => {
  const { system, view: whole, readAddresses: own } = guest();
  const missing: unknown[] = [];
  const made = await makeReport({
    system,
    view: { ...whole, ...view },
    readAddresses: readAddresses ?? own,
    interfaceName: 'eth0',
    services: [],
    log: (_message, fields) => missing.push(fields?.['name']),
    now: () => 7,
    timeoutMs: 100,
  });
  return { report: guestReportSchema.parse(made), missing };
};
const never = () => Promise.withResolvers<never>().promise;
const fails = async () => {
  throw new Error('broken');
};

it('tells all that the guest knows of itself', async () => {
  const found = await report();
  expect(found.missing).toEqual([]);
  expect(found.report).toMatchObject({
    machineId: MACHINE_ID,
    links: [{ name: 'eth0', mac: '02:00:00:00:00:01', up: true }],
    routes: ['default via 192.168.100.1 dev eth0'],
    units: [{ name: 'hearth-agent.service' }, { name: 'systemd-networkd.service' }],
    failedUnits: ['broken.service'],
    kernelCommandLine: 'console=ttyS0 hearth.kind=cli',
    memAvailableMiB: 512,
    memTotalMiB: 2048,
    disk: { freeMiB: 100, totalMiB: 1000 },
    gateway: { ok: true, detail: '192.168.100.1 answered' },
    timeMs: 7,
  });
});

it('asks for the units of a desktop where the VM has one', async () => {
  const { report: found } = await report({ kernelCommandLine: async () => 'a hearth.kind=browser b' });
  expect(found.units.map(({ name }) => name)).toContain('hearth-browser.service');
});

it('asks no gateway where there is none', async () => {
  const { report: found, missing } = await report({}, async () => []);
  expect([found.gateway, missing]).toEqual([null, []]);
});

it.each([
  ['rejects', fails],
  ['never ends', never],
])('what %s leaves its part empty and the rest whole', async (_name, broken) => {
  const whole = (await report()).report;
  const empty = {
    ...{
      links: [],
      routes: [],
      units: [],
      failedUnits: [],
      kernelCommandLine: '',
      oomKills: 0,
      gateway: null,
    },
    disk: { freeMiB: 0, totalMiB: 0 },
  };
  for (const [name, value] of Object.entries(empty)) {
    const { report: found, missing } = await report({ [name]: broken });
    const units = name === 'kernelCommandLine' && broken === never ? { units: [] } : {};
    expect(found).toEqual({ ...whole, [name]: value, ...units });
    expect(missing.length).toBeGreaterThan(0);
  }
  const { report: dark } = await report(
    { ...(Object.fromEntries(Object.keys({ ...empty, memory: 0 }).map((name) => [name, broken])) as object) },
    broken,
  );
  expect(dark).toMatchObject({
    ...empty,
    addresses: [],
    memAvailableMiB: 0,
    memTotalMiB: 0,
    machineId: MACHINE_ID,
  });
});
