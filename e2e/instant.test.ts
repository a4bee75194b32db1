import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  bootPhases,
  HearthError,
  problemSchema,
  startProgress,
  type BootPhase,
  type Vm,
} from '@hearth/contract';
import { joinServer, RfbRefusal } from '@hearth/rfb';
import { countTraces, noTraces, vmmPids, waitForGoldens, type HearthLab } from '@hearth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { talk } from '../packages/controller/src/desktops/connect-display.ts';
import { connectHost } from '../packages/controller/src/host-link/unix-socket.ts';
import { MAKER_TOKEN, MAKER_VNC_PASSWORD } from '../packages/host/src/snapshots/make-golden.ts';
import { openBrowser, signIn } from './browser.ts';
import { difference } from './desktop/picture.ts';
import { connectedDesktop, screenOf } from './desktop/screen.ts';
import {
  clockErrorMs,
  createVm,
  execBytes,
  factsOf,
  inVm,
  newVmmPid,
  openInstantLab,
  post,
  removeAll,
  requestVm,
  settled,
  showVm,
  untilEvent,
  type Facts,
} from './instant/lab-vms.ts';

const MIB = 1024 * 1024;

let lab: HearthLab;
beforeAll(async () => {
  lab = await openInstantLab();
});
afterAll(() => lab.dispose());

const phasesOf = (vm: Vm): BootPhase[] => vm.timeline.phases.map(({ phase }) => phase);
const remove = (...vms: Vm[]): Promise<void> => removeAll(lab, ...vms);

/** Every fact is another one in each. */
function expectStrangers(all: Facts[]): void {
  const [first] = all;
  for (const name of Object.keys(first ?? {}) as (keyof Facts)[]) {
    const values = all.map((facts) => facts[name]);
    expect(new Set(values).size, `${name}: ${values.join(', ')}`).toBe(all.length);
  }
}

/** No 16 bytes of a MiB of one are anywhere in a MiB of the other. */
async function expectOwnRandomness(one: Vm, two: Vm): Promise<void> {
  const [mine, theirs] = await Promise.all(
    [one, two].map(
      async (vm) => (await execBytes(lab, vm, ['head', '-c', String(MIB), '/dev/urandom'])).stdout,
    ),
  );
  const blocks = (bytes: Buffer): string[] =>
    Array.from({ length: bytes.length / 16 }, (_, index) =>
      bytes.toString('latin1', index * 16, index * 16 + 16),
    );
  expect(mine?.length).toBe(MIB);
  expect(theirs?.length).toBe(MIB);
  const known = new Set(blocks(mine ?? Buffer.alloc(0)));
  expect(known.size).toBe(MIB / 16);
  expect(blocks(theirs ?? Buffer.alloc(0)).filter((block) => known.has(block))).toEqual([]);
}

test('F46: two clones of one snapshot are two VMs: addresses, ids, keys, randomness, clock', async () => {
  const [one, two] = await Promise.all([createVm(lab), createVm(lab)]);
  for (const vm of [one, two]) {
    expect(vm).toMatchObject({ state: 'ready', origin: 'snapshot' });
    const phases = phasesOf(vm);
    expect(phases).toEqual(
      expect.arrayContaining(['vmm', 'load', 'resume', 'agent', 'identity', 'network', 'ready']),
    );
    expect(phases).not.toContain('kernel');
    expect(phases).not.toContain('init');
  }
  await expectOwnRandomness(one, two);
  const facts = [await factsOf(lab, one), await factsOf(lab, two)];
  expectStrangers(facts);
  expect(facts.map(({ hostname }) => hostname)).toEqual([one.id, two.id]);
  expect(facts.map(({ ip }) => ip)).toEqual([one.ip, two.ip]);
  for (const vm of [one, two]) {
    expect(await clockErrorMs(lab, vm), "the guest's clock").toBeLessThan(1000);
    // What everybody may know opens nothing.
    const ask = `curl -s -o /dev/null -w '%{http_code}' -H 'authorization: Bearer ${MAKER_TOKEN}' http://127.0.0.1:8080/health`;
    expect(await inVm(lab, vm, ask)).toBe('401');
    // Nothing of the maker is left: neither its id nor what it ran.
    expect(await inVm(lab, vm, 'cat /proc/sys/kernel/hostname')).toContain(vm.id);
    expect(await inVm(lab, vm, 'ls -A /home/hearth /tmp | wc -l')).toMatch(/\d/);
  }
  await remove(one, two);
});

test('a snapshot is not removed while a clone of it lives, and the clone never notices that it was tried', async () => {
  const vm = await createVm(lab);
  const [golden] = await waitForGoldens(lab, ['cli']);
  expect(golden?.clones).toBeGreaterThan(0);
  const refused = await lab.cli(['snapshot', 'rm', golden?.id ?? '', '--json']);
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stdout + refused.stderr).toContain('snapshot_in_use');
  expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
  expect((await waitForGoldens(lab, ['cli'])).map(({ id }) => id)).toEqual([golden?.id]);
  await remove(vm);
});

test('`start: cold` boots the image, also where a snapshot is there', async () => {
  const created = await post(lab, '/api/vms', { kind: 'cli', start: 'cold' });
  const vm = await settled(lab, (await created.json()) as Vm, ['ready', 'failed']);
  expect(vm).toMatchObject({ state: 'ready', origin: 'image' });
  expect(phasesOf(vm)).toEqual(expect.arrayContaining(['kernel', 'init']));
  expect(phasesOf(vm)).not.toContain('load');
  await remove(vm);
});

test('a VMM killed in each phase of a restore: the VM fails with words, nothing is left, the snapshot stays good', async () => {
  for (const phase of ['vmm', 'load', 'resume', 'identity', 'ready'] as const) {
    const before = await vmmPids(lab.config);
    const vm = await requestVm(lab);
    const pid = await newVmmPid(lab, before);
    await untilPhase(vm, phase);
    process.kill(pid, 'SIGKILL');
    const failed = await settled(lab, vm, ['failed']);
    expect(failed.failure, phase).toMatchObject({ code: 'vmm_failed', layer: 'vmm' });
    expect(failed.failure?.detail, phase).toMatch(/SIGKILL|ended|closed/i);
    expect(failed.ip, phase).toBeNull();
    await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
    await remove(vm);
  }
  const vm = await createVm(lab);
  expect(vm.origin, 'a VMM that was killed says nothing about the files').toBe('snapshot');
  await remove(vm);
});

/** Waits until the VM has come so far; its VMM is there already. */
async function untilPhase(vm: Vm, phase: BootPhase): Promise<void> {
  if (phase === 'vmm') return;
  const wanted = bootPhases.slice(bootPhases.indexOf(phase));
  await untilEvent(lab, vm, (now) => phasesOf(now).some((reached) => wanted.includes(reached)));
}

test('F19: a host daemon killed during a restore: the VM lives or failed, and is never half', async () => {
  for (const delayMs of [0, 150, 400]) {
    const before = await vmmPids(lab.config);
    const vm = await requestVm(lab);
    await newVmmPid(lab, before);
    await pause(delayMs);
    process.kill(await lab.pid('host'), 'SIGKILL');
    await lab.up();
    const now = await settled(lab, vm, ['ready', 'failed']);
    if (now.state === 'ready') expect(await inVm(lab, vm, 'hostname')).toBe(`${vm.id}\n`);
    else {
      expect(now.failure?.detail, 'in words').toMatch(/\w+ \w+/);
      await expect.poll(() => countTraces(lab.config), { timeout: 10_000 }).toEqual(noTraces);
    }
    await remove(vm);
  }
});

test('F7: a browser VM is there at once, frozen until someone looks, then a live desktop of its own', async () => {
  await waitForGoldens(lab, ['browser']);
  const [vm, other] = [await createVm(lab, '--kind', 'browser'), await createVm(lab, '--kind', 'browser')];
  for (const clone of [vm, other]) {
    expect(clone).toMatchObject({ state: 'ready', origin: 'snapshot' });
    expect(phasesOf(clone)).not.toContain('thaw');
  }
  const passwords = [await vncPassword(vm), await vncPassword(other)];
  expect(new Set([...passwords, MAKER_VNC_PASSWORD]).size).toBe(3);
  // Each is opened by its own password alone.
  expect(await vncOpens(vm, passwords[0] ?? '')).toBe(true);
  for (const wrong of [passwords[1] ?? '', MAKER_VNC_PASSWORD]) expect(await vncOpens(vm, wrong)).toBe(false);
  await remove2(other);

  await using browser = await openBrowser({ viewport: { width: 1280, height: 720 } });
  const page = await signIn(browser.context, lab);
  await page.goto(`${lab.url}/vms/${vm.id}/desktop`);
  await connectedDesktop(page);
  await expect
    .poll(async () => phasesOf(await showVm(lab, vm)), { timeout: 30_000 })
    .toEqual(expect.arrayContaining(['thaw', 'first_frame']));
  const version = await inVm(lab, vm, 'curl -s http://127.0.0.1:9222/json/version');
  expect(version, 'the browser runs').toContain('Browser');
  // The clipboard's way is tested elsewhere; here keys alone: the address line of the guest's browser.
  const before = await screenOf(page);
  await expect
    .poll(
      async () => {
        await page.keyboard.press('Control+l');
        await page.keyboard.type('about:blank#typed');
        await page.keyboard.press('Enter');
        // Keys that come faster than a slow guest takes them only pile up.
        await pause(5000);
        return difference(before, await screenOf(page));
      },
      { timeout: 90_000 },
    )
    .toBeGreaterThan(0.5);
  const facts = await inVm(lab, vm, 'hostname; cat /etc/machine-id');
  expect(facts).toContain(vm.id);
  await remove(vm);
});

const remove2 = async ({ id }: Vm): Promise<void> => {
  expect((await lab.cli(['vm', 'rm', id])).exitCode).toBe(0);
};

async function openDisplay(vm: Vm) {
  const host = connectHost(join(lab.config.runDir, 'host.sock'));
  return host.openDesktop(vm.id, { signal: AbortSignal.timeout(15_000) });
}

async function vncPassword(vm: Vm): Promise<string> {
  const { socket, password } = await openDisplay(vm);
  socket.destroy();
  return password.reveal();
}

/** Whether the VM's VNC server takes that password. */
async function vncOpens(vm: Vm, password: string): Promise<boolean> {
  const { socket } = await openDisplay(vm);
  const progress = startProgress({ what: 'logging in at the VNC server', timeoutMs: 15_000 });
  try {
    await talk(socket, joinServer(password), progress);
    return true;
  } catch (error) {
    if (error instanceof HearthError && error.options.cause instanceof RfbRefusal) return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

test('a snapshot that there is not, or no id at all: said in words', async () => {
  const unknown = await lab.fetch('/api/snapshots/snp-000000000000', { method: 'DELETE' });
  expect(unknown.status).toBe(404);
  expect(problemSchema.parse(await unknown.json()).code).toBe('not_found');
  expect((await lab.cli(['snapshot', 'rm', 'no-id'])).stderr).toContain('snp-');
});
