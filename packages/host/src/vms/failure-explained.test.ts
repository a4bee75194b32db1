import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgress, type HostVm, type VmId } from '@hearth/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DiagnosisSource } from './ports.ts';
import { makeTestMachine, testDiagnosis, type TestMachine } from './test-machine.ts';
import type { VmHost } from './vm-host.ts';

const ID = 'vm-000000000001' as VmId;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-explained-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const until = (host: VmHost, state: HostVm['state']): Promise<HostVm> =>
  host.waitFor(ID, (vm) => vm.state === state, startProgress({ what: `until ${state}`, timeoutMs: 5000 }));
const signal = new AbortController().signal;

/** A VM whose VMM has just died, and a first diagnosis that takes until `finish`. */
async function failingVm(): Promise<{
  machine: TestMachine;
  host: VmHost;
  kept: DiagnosisSource;
  finish: () => void;
}> {
  const kept = testDiagnosis();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let asked = 0;
  const machine = await makeTestMachine(folder, {
    diagnosis: {
      ...kept,
      diagnose: async (...args) => {
        asked += 1;
        if (asked === 1) await promise;
        return kept.diagnose(...args);
      },
    },
  });
  const { host } = machine.daemon();
  host.create(ID, {
    ...{ kind: 'cli', cpus: 1, memMiB: 512, diskMiB: 1024, desktop: null },
    ...{ requestedAtMs: Date.now(), requestId: 'request-1' },
  });
  await until(host, 'ready');
  for (const [pid, process] of machine.vmms) {
    machine.vmms.delete(pid);
    process.exited.resolve('killed from outside');
  }
  await until(host, 'failed');
  return { machine, host, kept, finish: () => resolve(undefined) };
}

test('whoever asks why a VM just failed is answered once that was found', async () => {
  const { host, finish } = await failingVm();
  const asked = host.why(ID, { stored: true }, signal);
  finish();
  expect(await asked).toMatchObject({ vmId: ID, trigger: 'failed' });
});

test('a daemon that dies before it was found leaves that to the next one', async () => {
  const { machine, kept } = await failingVm();
  expect(await kept.find(ID)).toBeNull();
  const { host } = machine.daemon();
  await host.adopt();
  expect(await kept.find(ID)).toMatchObject({ trigger: 'failed' });
  expect(host.get(ID)).toMatchObject({ state: 'failed', address: null });
  expect(machine.taps.size).toBe(0);
});
