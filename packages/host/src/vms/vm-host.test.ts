import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HearthError, parseConfig } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAgentClient } from '../guest-link/agent-client.ts';
import { vmRecordSchema, type VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import { createAdmission } from './admission.ts';
import { createBootSlots } from './boot-slots.ts';
import { randomSecrets } from './boot-secrets.ts';
import { testDiagnosis, testImage } from './test-machine.ts';
import { VmHost } from './vm-host.ts';

const ID = 'vm-000000000001' as VmRecord['id'];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-vm-host-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What a daemon that died left: a record whose VMM still runs. */
const leftBehind = (state: VmRecord['state']): VmRecord =>
  vmRecordSchema.parse({
    ...{ id: ID, kind: 'cli', state, cpus: 1, memMiB: 2048, diskMiB: 1024, imageId: testImage.id },
    address: {
      ip: '10.0.0.2',
      mac: '02:48:0a:00:00:02',
      tap: 'tap1',
      hostname: ID,
      machineId: '0'.repeat(32),
    },
    ...{
      phases: [],
      failure: null,
      version: 3,
      requestedAtMs: 0,
      requestId: 'request-1',
      vmm: { pid: 1, startTicks: 1 },
    },
  });

function hostAfterRestart(record: VmRecord, { detachFails = false } = {}) {
  const steps: string[] = [];
  const records = new Map([[record.id, record]]);
  const config = parseConfig({ stateDir: join(folder, 'state'), runDir: join(folder, 'run') }, {});
  const running: RunningVmm = {
    process: { pid: 1, startTicks: 1 },
    exited: Promise.withResolvers<string>().promise,
    pause: () => Promise.resolve(),
    resume: () => Promise.resolve(),
    save: () => Promise.reject(new Error('nothing is saved here')),
    openControl: () => Promise.reject(new HearthError('control_channel_failed', 'not in this test')),
    kill: async () => {
      steps.push('vmm dead');
    },
    release: () => undefined,
    inspect: () => Promise.resolve({ status: 'running', running: true, guestHasControl: true }),
  };
  const host = new VmHost({
    ...{
      config,
      randomBytes,
      caCertificates: [],
      now: Date.now,
      admission: createAdmission(config, () => false),
      slots: createBootSlots(1),
      log: () => undefined,
    },
    agents: createAgentClient(),
    diagnosis: testDiagnosis(),
    goldens: { find: () => Promise.resolve(null), reject: () => undefined },
    bootSecrets: () => randomSecrets(randomBytes),
    vmm: () =>
      Promise.resolve({
        ...{ name: 'qemu' as const, snapshots: null },
        start: () => Promise.reject(new Error('nothing is started here')),
        adopt: () => Promise.resolve(running),
      }),
    probe: () => Promise.resolve({ accelerator: 'tcg', slowness: 1, detail: '' }),
    images: {
      current: () => Promise.resolve(testImage),
      byId: () => Promise.resolve(testImage),
      upperTemplate: () => Promise.resolve('/none'),
    },
    addresses: {
      allocate: () => {
        throw new Error('nothing is booked here');
      },
      free: () => steps.push('address free'),
      freeCount: 1,
    },
    network: {
      attach: () => Promise.resolve(),
      detach: async () => {
        if (detachFails) throw new HearthError('network_failed', 'planted');
        steps.push('tap gone');
      },
    },
    records: {
      load: () => [...records.values()],
      put: (changed) => void records.set(changed.id, changed),
      remove: (id) => void records.delete(id),
    },
  });
  return { host, steps, records };
}

test('F19: a failed VM whose daemon died before it gave everything back does so at the next start', async () => {
  const { host, steps, records } = hostAfterRestart(leftBehind('failed'));
  await host.adopt();
  expect(steps, 'F17: the address is free only after the VMM is dead').toEqual([
    'vmm dead',
    'tap gone',
    'address free',
  ]);
  expect(records.get(ID)).toMatchObject({ state: 'failed', address: null, vmm: null });
});

test('F19: a removal that was cut off is finished at the next start', async () => {
  const { host, steps, records } = hostAfterRestart(leftBehind('deleting'));
  await host.adopt();
  expect(steps).toEqual(['vmm dead', 'tap gone', 'address free']);
  expect([host.list(), records.size]).toEqual([[], 0]);
});

test('F17: what cannot be removed keeps its address and does not keep the daemon from starting', async () => {
  const { host, steps, records } = hostAfterRestart(leftBehind('deleting'), { detachFails: true });
  await host.adopt();
  expect(steps).toEqual(['vmm dead']);
  expect(records.get(ID)).toMatchObject({ state: 'deleting', address: { ip: '10.0.0.2' } });
});
