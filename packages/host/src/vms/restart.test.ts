import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, startProgress, type ConfigInput, type HostVm, type VmId } from '@hearth/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeTestMachine, type TestMachine } from './test-machine.ts';
import type { VmHost } from './vm-host.ts';
import { createWatchdog } from './watchdog.ts';

const ID = 'vm-000000000001' as VmId;
const wanted = (kind: 'cli' | 'browser' = 'cli') => ({
  ...{ kind, cpus: 1, memMiB: 512, diskMiB: 1024, requestedAtMs: Date.now(), requestId: 'request-1' },
  desktop: kind === 'browser' ? { width: 800, height: 600 } : null,
});
const again = () => ({ requestedAtMs: Date.now(), requestId: 'request-2' });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-restart-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const until = (host: VmHost, state: HostVm['state']): Promise<HostVm> =>
  host.waitFor(ID, (vm) => vm.state === state, startProgress({ what: `until ${state}`, timeoutMs: 5000 }));

async function readyVm(config: ConfigInput = {}): Promise<{ machine: TestMachine; host: VmHost }> {
  const machine = await makeTestMachine(folder, { config });
  const { host } = machine.daemon();
  host.create(ID, wanted());
  await until(host, 'ready');
  return { machine, host };
}

describe('a restart', () => {
  test('ends the VMM and boots the same disk, at the same address', async () => {
    const { machine, host } = await readyVm();
    const [before] = machine.vmms.keys();
    const { address } = host.get(ID);
    await host.restart(ID, again());
    const vm = await until(host, 'ready');
    expect([...machine.vmms.keys()]).toHaveLength(1);
    expect([...machine.vmms.keys()]).not.toContain(before);
    expect(vm).toMatchObject({ origin: 'image', address, finding: null, failure: null });
    expect(await machine.hasDisk(ID)).toBe(true);
  });

  test('is for CLI VMs that should run, and for no others', async () => {
    const { host } = await readyVm();
    await host.hibernate(ID);
    await expect(host.restart(ID, again())).rejects.toMatchObject({ code: 'conflict' });
    const other = 'vm-000000000002' as VmId;
    host.create(other, wanted('browser'));
    const progress = startProgress({ what: 'until ready', timeoutMs: 5000 });
    await host.waitFor(other, ({ state }) => state === 'ready', progress);
    await expect(host.restart(other, again())).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('a CLI VM that somebody used', () => {
  test('keeps its disk where its VMM dies, and comes back from it', async () => {
    const { machine, host } = await readyVm();
    host.endpoint(ID);
    for (const [pid, process] of machine.vmms) {
      machine.vmms.delete(pid);
      process.exited.resolve('killed from outside');
    }
    const vm = await until(host, 'hibernated');
    expect(vm.failure).toMatchObject({ code: 'vmm_failed' });
    await host.resume(ID, { ...again(), cold: false });
    expect((await until(host, 'ready')).failure).toBeNull();
  });
});

describe('the watchdog', () => {
  /** Slow machines get more time; this one is very fast, so that a missing answer is known at once. */
  const SLOWNESS = 0.02;
  const GRACE_MS = 30_000 * SLOWNESS;

  function watch(host: VmHost, input: ConfigInput = {}) {
    let nowMs = 0;
    const watchdog = createWatchdog({
      ...{ config: parseConfig(input, {}), vms: () => host.living(), suspects: () => new Set() },
      ...{ slowness: async () => SLOWNESS, now: () => nowMs, log: () => undefined },
    });
    return {
      watchdog,
      roundAt: async (ms: number) => {
        nowMs = ms;
        await watchdog.round();
      },
    };
  }
  const fallSilent = (machine: TestMachine): void => {
    for (const process of machine.vmms.values()) process.paused = true;
  };

  test('lets those alone that answer', async () => {
    const { host } = await readyVm();
    const { watchdog, roundAt } = watch(host);
    for (const ms of [0, GRACE_MS, 2 * GRACE_MS]) await roundAt(ms);
    expect(host.get(ID)).toMatchObject({ state: 'ready', finding: null });
    expect(watchdog.restarts).toBe(0);
  });

  test('restarts one whose guest stopped answering, once its grace is over', async () => {
    const { machine, host } = await readyVm();
    const [before] = machine.vmms.keys();
    const { watchdog, roundAt } = watch(host);
    fallSilent(machine);
    await roundAt(0);
    await roundAt(GRACE_MS - 1);
    expect([...machine.vmms.keys()]).toEqual([before]);
    await roundAt(GRACE_MS);
    await until(host, 'ready');
    expect([...machine.vmms.keys()]).not.toContain(before);
    expect(watchdog.restarts).toBe(1);
  });

  test('gives one up where its kind is not kept', async () => {
    const { machine, host } = await readyVm();
    const { roundAt } = watch(host, { vms: { cli: { onUnresponsive: 'fail' } } });
    fallSilent(machine);
    await roundAt(0);
    await roundAt(GRACE_MS);
    expect((await until(host, 'failed')).failure).toMatchObject({ code: 'guest_not_ready' });
    expect(machine.vmms.size).toBe(0);
  });
});
