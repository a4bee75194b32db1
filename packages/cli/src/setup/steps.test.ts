import { HearthError } from '@hearth/contract';
import { expect, test } from 'vitest';
import type { Run } from '../exec/run.ts';
import { debianPackagesStep, type Consent } from './debian-packages.ts';
import { judgeSpace } from './disk-space.ts';
import { judgeMachine } from './machine.ts';
import { runSteps, type Step, type StepOutcome } from './steps.ts';

const signal = new AbortController().signal;
const noTimes = { expectedMs: () => undefined, took: () => undefined };

function recorder() {
  const said: string[] = [];
  return {
    said,
    display: {
      started: (step: string) => said.push(`start ${step}`),
      stage: (step: string, stage: string) => said.push(`${step}: ${stage}`),
      note: (text: string) => said.push(text),
      ended: ({ step, state }: StepOutcome) => said.push(`${step} ${state}`),
    },
  };
}

const step = (
  name: string,
  done: string | null,
  run: () => Promise<string> = () => Promise.resolve('ok'),
): Step => ({
  name,
  expectedMs: 1,
  isDone: () => Promise.resolve(done),
  run,
});

test('a step that is done is not run again, and the first that fails ends it', async () => {
  const { said, display } = recorder();
  const failing = step('c', null, () => Promise.reject(new HearthError('disk_full', 'no room')));
  await expect(
    runSteps([step('a', 'is there'), step('b', null), failing, step('d', null)], display, noTimes, () => 0),
  ).rejects.toThrow('no room');
  expect(said).toEqual(['a already done', 'start b', 'b done', 'start c', 'c failed']);
});

/** dpkg and apt that know which packages are installed. */
function machineWith(installed: string[], fail: { update?: boolean; install?: boolean } = {}) {
  const calls: string[] = [];
  const run: Run = (command, args) => {
    calls.push([command, ...args].join(' '));
    const ok = { exitCode: 0, stdout: '', stderr: '' };
    if (command === 'dpkg-query')
      return Promise.resolve({
        ...ok,
        exitCode: 1,
        stdout: installed.map((name) => `${name} installed`).join('\n') + '\ncpio not-installed',
      });
    const broken = args[0] === 'update' ? fail.update === true : fail.install === true;
    return Promise.resolve(broken ? { exitCode: 100, stdout: '', stderr: `E: ${args[0] ?? ''} failed` } : ok);
  };
  return { run, calls };
}

const runPackages = (machine: { run: Run }, consent: Consent) =>
  runSteps(
    [debianPackagesStep({ run: machine.run, packages: ['cpio', 'nftables'], consent, signal })],
    recorder().display,
    noTimes,
    () => 0,
  );

test('all packages there: one question to dpkg and no work', async () => {
  const machine = machineWith(['cpio', 'nftables']);
  const [outcome] = await runPackages(machine, { given: false, ask: null });
  expect(outcome).toMatchObject({ state: 'already done' });
  expect(machine.calls).toHaveLength(1);
});

test('missing packages are named with the command, where nobody can be asked', async () => {
  const machine = machineWith(['nftables']);
  await expect(runPackages(machine, { given: false, ask: null })).rejects.toMatchObject({
    code: 'requirement_missing',
    detail: expect.stringMatching(/missing: cpio$/) as string,
    options: { hint: expect.stringContaining('apt-get install -y --no-install-recommends cpio') as string },
  });
  expect(machine.calls).toHaveLength(1);
});

test('a person may say no, and then nothing is installed', async () => {
  const machine = machineWith([]);
  await expect(runPackages(machine, { given: false, ask: () => Promise.resolve(false) })).rejects.toThrow(
    /cpio nftables/,
  );
  expect(machine.calls).toHaveLength(1);
});

test('only what is missing is installed, though a third-party source fails to update', async () => {
  const machine = machineWith(['nftables'], { update: true });
  const [outcome] = await runPackages(machine, { given: true, ask: null });
  expect(outcome).toMatchObject({ state: 'done', detail: 'installed cpio' });
  expect(machine.calls.at(-1)).toBe('apt-get install -y --no-install-recommends cpio');
});

test('an installation that fails says both causes', async () => {
  const machine = machineWith([], { update: true, install: true });
  await expect(runPackages(machine, { given: true, ask: null })).rejects.toThrow(
    /install failed[\s\S]*update failed/,
  );
});

test('too little disk space is said with the numbers, added up per filesystem', () => {
  const gib = 1024 ** 3;
  const need = (path: string, filesystem: string) => ({
    path,
    what: path,
    bytes: 3 * gib,
    freeBytes: 5 * gib,
    filesystem,
  });
  expect(judgeSpace([need('/a', 'one'), need('/b', 'two')])).toContain('5.0 GiB free at /a');
  expect(() => judgeSpace([need('/a', 'one'), need('/b', 'one')])).toThrow(
    /5\.0 GiB are free, 3\.0 GiB for \/a .* and 3\.0 GiB for \/b/,
  );
});

test('a machine that cannot do it is refused by name', () => {
  const debian = {
    platform: 'linux',
    arch: 'x64',
    osRelease: 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n',
    hasAptGet: true,
  };
  expect(judgeMachine(debian)).toBe('Debian GNU/Linux 12');
  expect(
    judgeMachine({ ...debian, osRelease: 'PRETTY_NAME="Ubuntu 22.04"\nID=ubuntu\nID_LIKE=debian\n' }),
  ).toBe('Ubuntu 22.04');
  expect(() => judgeMachine({ ...debian, arch: 'arm64' })).toThrow(/this is linux on arm64/);
  expect(() =>
    judgeMachine({ ...debian, osRelease: 'PRETTY_NAME="Fedora"\nID=fedora\n', hasAptGet: false }),
  ).toThrow(/Fedora has no apt-get/);
});
