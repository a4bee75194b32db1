import { HearthError } from '@hearth/contract';
import { afterEach, expect, test, vi } from 'vitest';
import {
  answeringController,
  say,
  testVm,
  timeline,
  VM_ID,
  type AnsweringController,
} from '../test-answers.ts';

const FORK = 'vm-ba9876543210';

const hibernated = {
  state: 'hibernated',
  ip: null,
  hibernatedAt: '2026-11-20T10:00:00.000Z',
  deletesAt: '2026-12-04T10:00:00.000Z',
};
const RESUMED = '2026-11-23T00:00:00.000Z';

const closing: AsyncDisposable[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const closable of closing.splice(0)) await closable[Symbol.asyncDispose]();
});

async function controller(answers: Record<string, unknown>): Promise<AnsweringController> {
  const made = await answeringController(answers);
  closing.push(made);
  return made;
}

test('hibernate says until when the VM is kept', async () => {
  const { options } = await controller({ [`POST /api/vms/${VM_ID}/hibernate`]: testVm(hibernated) });
  const { code, out, err } = await say('vm', 'hibernate', VM_ID, ...options);
  expect([code, out]).toEqual([0, `${VM_ID} hibernated\n`]);
  expect(err).toContain('deleted on 2026-12-04T10:00:00.000Z unless it is resumed');
});

test('a VM that can’t be hibernated: why, where, and what to do', async () => {
  const { options } = await controller({
    [`POST /api/vms/${VM_ID}/hibernate`]: new HearthError('not_hibernatable', `${VM_ID} is of kind browser`),
  });
  const { code, out, err } = await say('vm', 'hibernate', VM_ID, ...options);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(
    /error: The VM can’t be hibernated.*\n {2}where: controller.*\n {2}what to do: Only CLI VMs/,
  );
});

test('resume follows the new timeline from its begin and ends with the id alone on standard output', async () => {
  const starting = { state: 'starting', version: 2 };
  const { asked, options } = await controller({
    [`POST /api/vms/${VM_ID}/resume`]: testVm({ ...starting, timeline: timeline(RESUMED) }),
    [`GET /api/vms/${VM_ID}/events`]: [
      testVm({ ...starting, timeline: timeline('2026-11-01T00:00:00.000Z', ['vmm', 9], ['kernel', 99]) }),
      testVm({ ...starting, timeline: timeline(RESUMED, ['vmm', 100], ['load', 300]) }),
      // A mark that comes late has its place by time.
      testVm({
        ...{ version: 3, origin: 'hibernation' },
        timeline: timeline(RESUMED, ['vmm', 100], ['load', 300], ['ready', 900], ['resume', 310]),
      }),
    ],
  });
  const { code, out, err } = await say('vm', 'resume', VM_ID, ...options);
  expect([code, out]).toEqual([0, `${VM_ID}\n`]);
  expect(asked[0]).toBe(`POST /api/vms/${VM_ID}/resume {"cold":false}`);
  const phases = [...err.matchAll(/^ {2}(\w+) +([\d.]+ m?s) · at/gm)].map(([, name, took]) => [name, took]);
  expect(phases.slice(-4)).toEqual([
    ['vmm', '100 ms'],
    ['load', '200 ms'],
    ['resume', '10 ms'],
    ['ready', '590 ms'],
  ]);
  expect(err).toContain('ready at 10.77.0.9 after 900 ms, from saved memory');
});

test('a resumption that ends hibernated again gives its cause and fails', async () => {
  const failure = {
    ...{ code: 'snapshot_invalid', title: 'The saved memory is damaged', layer: 'snapshot' },
    ...{ detail: 'state.bin: wrong checksum', hint: 'Boot it cold.', at: RESUMED },
  };
  const { options } = await controller({
    [`POST /api/vms/${VM_ID}/resume`]: testVm({ state: 'starting', timeline: timeline(RESUMED) }),
    [`GET /api/vms/${VM_ID}/events`]: [
      testVm({ state: 'starting', timeline: timeline(RESUMED, ['vmm', 80]) }),
      testVm({ ...hibernated, failure, timeline: timeline(RESUMED, ['vmm', 80]) }),
    ],
  });
  const { code, out, err } = await say('vm', 'resume', VM_ID, ...options);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('state.bin: wrong checksum');
  expect(err).toContain('where: snapshot');
});

test('resume --cold asks for the disk alone; --no-wait returns at once', async () => {
  const { asked, options } = await controller({
    [`POST /api/vms/${VM_ID}/resume`]: testVm({ state: 'starting' }),
  });
  const { code, out } = await say('vm', 'resume', VM_ID, '--cold', '--no-wait', ...options);
  expect([code, out]).toEqual([0, `${VM_ID}\n`]);
  expect(asked).toEqual([`POST /api/vms/${VM_ID}/resume {"cold":true}`]);
});

test('fork follows the copy, not the VM that was copied', async () => {
  const { options } = await controller({
    [`POST /api/vms/${VM_ID}/fork`]: testVm({ id: FORK, state: 'starting' }),
    [`GET /api/vms/${FORK}/events`]: [testVm({ id: FORK, origin: 'hibernation' })],
  });
  const { code, out } = await say('vm', 'fork', VM_ID, ...options);
  expect([code, out]).toEqual([0, `${FORK}\n`]);
});

test('a warm VM is ready in the answer: it is said so, and nothing more is asked', async () => {
  const { asked, options } = await controller({
    'POST /api/vms': testVm({
      origin: 'snapshot',
      timeline: timeline(RESUMED, ['taken', 12], ['ready', 14]),
    }),
  });
  const { code, out, err } = await say('vm', 'create', '--kind', 'cli', ...options);
  expect([code, out]).toEqual([0, `${VM_ID}\n`]);
  expect(err).toContain('after 14 ms, from a golden snapshot, and the warm pool');
  expect(asked).toEqual(['POST /api/vms {"kind":"cli"}']);
});

test('create --cold asks for a boot of the image', async () => {
  const { asked, options } = await controller({ 'POST /api/vms': testVm() });
  await say('vm', 'create', '--kind', 'cli', '--cold', '--no-wait', ...options);
  expect(asked).toEqual(['POST /api/vms {"kind":"cli","start":"cold"}']);
});

test('ls --all tells warm VMs from those of people, and what becomes of hibernated ones', async () => {
  const { options } = await controller({
    'GET /api/me': { userId: 'usr-000000000000', name: 'ada', role: 'admin' },
    'GET /api/vms?all=true': { vms: [testVm({ userId: null }), testVm({ ...hibernated, id: FORK })] },
  });
  const { out } = await say('vm', 'ls', '--all', ...options);
  const [head, warm, sleeping] = out.split('\n');
  expect(head).toContain('OWNER');
  expect(warm).toMatch(/ready .* warm pool$/);
  expect(sleeping).toMatch(
    /hibernated .* usr-000000000000 {2}hibernated for \d+ \w+, deleted on 2026-12-04$/,
  );
});

test('snapshot ls and rm', async () => {
  const snapshot = {
    ...{ id: 'snp-0123456789ab', createdAt: RESUMED, kind: 'cli', cpus: 1, memMiB: 512, diskMiB: 512 },
    ...{ imageId: 'img-0123456789ab', bytes: 3 << 20, status: 'stale', detail: 'another VMM', clones: 2 },
  };
  const { options } = await controller({
    'GET /api/snapshots': { snapshots: [snapshot], making: 'making the golden snapshot of kind cli' },
    'DELETE /api/snapshots/snp-0123456789ab': new HearthError('snapshot_in_use', '2 VMs'),
  });
  const list = await say('snapshot', 'ls', ...options);
  expect(list.out).toMatch(/snp-0123456789ab {2}cli +stale .* 3\.0 MiB .* another VMM/);
  expect(list.err).toContain('making the golden snapshot');
  const removal = await say('snapshot', 'rm', 'snp-0123456789ab', ...options);
  expect(removal.code).toBe(1);
  expect(removal.err).toContain('Delete the VMs that were cloned from it first');
  const wrong = await say('snapshot', 'rm', '../x', ...options);
  expect(wrong.err).toContain('is not the id of a snapshot');
});
