import { join } from 'node:path';
import { startProgress, type GuestCredential, type HostVm, type VmId } from '@hearth/contract';
import { expect } from 'vitest';
import { makeTestMachine, type TestMachine, type TestMachineOptions } from './test-machine.ts';
import type { VmHost } from './vm-host.ts';

export const testSize = { kind: 'cli', cpus: 1, memMiB: 512, diskMiB: 1024, desktop: null } as const;
export const testRequest = () => ({ requestedAtMs: Date.now(), requestId: 'request-1' });
export const testCredential: GuestCredential = {
  ...{ provider: 'claude_code', kind: 'sign_in', version: 1, env: {} },
  files: [{ path: '.claude/.credentials.json', contentBase64: btoa('fake-token-NOT-A-TOKEN') }],
};

export const untilState = (host: VmHost, id: VmId, ...states: HostVm['state'][]): Promise<HostVm> =>
  host.waitFor(
    id,
    ({ state }) => states.includes(state),
    startProgress({ what: `${id} in ${states.join()}`, timeoutMs: 10_000 }),
  );

/** Nothing is under way any more. */
export async function untilSettled(host: VmHost): Promise<void> {
  await Promise.all(
    host.list().map(({ id }) => untilState(host, id, 'ready', 'hibernated', 'failed', 'gone')),
  );
}

/** Holds whatever happened: what a VM's state says is what there is, and a removal leaves nothing. */
export async function expectTruth(machine: TestMachine, host: VmHost): Promise<void> {
  await untilSettled(host);
  // What is given back after the state was told.
  await host.release();
  for (const { id, state, vmm, address, saved } of machine.journal.values()) {
    const processes = [...machine.vmms.values()].filter(({ spec }) => spec.vmId === id);
    expect(processes, `VMMs of a VM that is ${state}`).toHaveLength(state === 'ready' ? 1 : 0);
    if (state === 'ready') expect(processes[0]?.paused).toBe(false);
    expect([vmm !== null, address !== null], state).toEqual([state === 'ready', state === 'ready']);
    if (state !== 'failed') expect(await machine.hasDisk(id), 'its disk is never lost').toBe(true);
    if (state === 'ready') expect(saved, 'memory that has run on is not used again').toBeNull();
  }
  const booked = [...machine.addresses.values()].filter(({ freedOrder }) => freedOrder === null);
  expect(new Set(booked.map(({ tap }) => tap))).toEqual(machine.taps);
  const { host: next } = machine.daemon();
  await next.adopt();
  for (const { id } of next.list()) await next.destroy(id);
  expect([machine.vmms.size, machine.taps.size, machine.journal.size]).toEqual([0, 0, 0]);
  expect([...machine.addresses.values()].every(({ freedOrder }) => freedOrder !== null)).toBe(true);
}

/** Lives that life once for each write of the journal in it, with a daemon that dies there; the next one must make it true. Gives how many. */
export async function dieAtEachWrite(
  folder: string,
  live: (host: VmHost, machine: TestMachine) => Promise<void>,
  options: TestMachineOptions = {},
): Promise<number> {
  const whole = await makeTestMachine(join(folder, 'whole'), options);
  const first = whole.daemon();
  await live(first.host, whole);
  const total = first.writes();
  await expectTruth(whole, first.host);
  for (let diesAt = 1; diesAt <= total; diesAt += 1) {
    const machine = await makeTestMachine(join(folder, `${diesAt}`), options);
    const { host, died } = machine.daemon(diesAt);
    // Nobody waits for a daemon that died.
    void live(host, machine).catch(() => undefined);
    await died;
    const next = machine.daemon();
    await next.host.adopt();
    await expectTruth(machine, next.host);
  }
  return total;
}
