import {
  breakerSchema,
  driftReportSchema,
  drainStateSchema,
  HearthError,
  hostStateSchema,
  makeFinding,
  sweepReportSchema,
  type Breaker,
  type DrainState,
} from '@hearth/contract';
import { expect, test } from 'vitest';
import { answeringController, inTurn, say, VM_ID } from '../test-answers.ts';

const AT = '2026-11-24T10:00:00.000Z';
const finding = makeFinding('kernel_panic', 'console', 'Kernel panic', new Date(AT));
const closed: Breaker = breakerSchema.parse({
  ...{ state: 'closed', failures: 1, successes: 19, openedAt: null },
  ...{ probeAt: null, probeVmId: null, reason: null },
});
const open: Breaker = breakerSchema.parse({
  ...closed,
  ...{ state: 'open', failures: 6, successes: 2, openedAt: AT, probeAt: '2026-11-24T10:01:00.000Z' },
  reason: {
    vmId: VM_ID,
    failure: {
      ...{ code: 'guest_not_ready', layer: 'guest', title: 'It did not become ready', at: AT },
      ...{ detail: 'no hello', hint: 'Look.' },
    },
    finding,
  },
});
const host = (changes: object = {}): unknown =>
  hostStateSchema.parse({
    draining: false,
    capacity: {
      ...{ cpus: 8, memMiB: 65_536, memFreeMiB: 12_288, diskFreeMiB: 102_400, cpusFree: 20 },
      ...{ starts: { running: 1, waiting: 2 }, addressesFree: 180, accelerator: 'tcg' },
    },
    ...{ breaker: closed, drifts: 0, unhealthy: [] },
    ...changes,
  });

test('status of a host that is well', async () => {
  await using api = await answeringController({ 'GET /api/host': host() });
  expect((await say('host', 'status', ...api.options)).out).toMatchInlineSnapshot(`
    "takes VMs  yes
    memory     12.0 GiB of 64.0 GiB free
    CPUs       20 more can be given; the machine has 8, emulated
    disk       100 GiB free
    addresses  180 free
    starts     1 under way, 2 waiting
    creation   VMs are created · 1 of the last 20 starts failed
    drift      none
    unhealthy  none
    "
  `);
});

test('status of one that is not: why creation stopped, what drifted, who doesn’t answer', async () => {
  const unhealthy = [{ vmId: VM_ID, finding }];
  await using api = await answeringController({
    'GET /api/host': host({ draining: true, breaker: open, drifts: 2, unhealthy }),
  });
  expect((await say('host', 'status', ...api.options)).out).toMatchInlineSnapshot(`
    "takes VMs  no, it is drained: hearth host drain --off
    memory     12.0 GiB of 64.0 GiB free
    CPUs       20 more can be given; the machine has 8, emulated
    disk       100 GiB free
    addresses  180 free
    starts     1 under way, 2 waiting
    creation   no VMs are created since 2026-11-24T10:00:00.000Z · 6 of the last 8 starts failed
      because of vm-0123456789ab: The guest’s kernel panicked: Kernel panic
      what to do: Read the console (\`hearth vm console vm-0123456789ab\`); too little memory is the usual cause. Create another VM, with more of it.
      all layers: hearth why vm-0123456789ab
      next: one VM is tried from 2026-11-24T10:01:00.000Z on; at once with: hearth host breaker --close
    drift      2 not repaired: hearth host drift
    unhealthy  1
      vm-0123456789ab  The guest’s kernel panicked: Kernel panic
      more: hearth why ID
    "
  `);
});

test('breaker shows, and --close closes it', async () => {
  await using api = await answeringController({
    'GET /api/host': host({ breaker: { ...open, state: 'half_open', probeAt: null, probeVmId: VM_ID } }),
    'DELETE /api/host/breaker': closed,
  });
  expect((await say('host', 'breaker', ...api.options)).out).toContain(`${VM_ID} is tried now`);
  expect((await say('host', 'breaker', '--close', ...api.options)).out).toBe(
    'VMs are created · 1 of the last 20 starts failed\n',
  );
});

const drift = {
  ...{ subject: 'tap', name: 'hth-04', vmId: VM_ID, expected: 'up', found: 'down' },
  ...{ outcome: 'repaired', detail: 'put up again' },
};
const report = (...drifts: object[]): unknown =>
  driftReportSchema.parse({ at: AT, vms: 3, tookMs: 45, drifts, passes: 10, repairs: 1 });

test('drift exits with 1 only where something is left', async () => {
  const gone = { ...drift, subject: 'disk', outcome: 'named', detail: 'restart the VM' };
  await using api = await answeringController({
    'GET /api/host/drift': inTurn(report(), report(drift), report(gone, drift)),
    'GET /api/host/drift?now=true': report(),
  });
  const outcomes = [];
  for (const words of [[], [], [], ['--now']]) {
    const { code, out } = await say('host', 'drift', ...words, ...api.options);
    outcomes.push([
      code,
      out
        .split('\n')
        .at(-2)
        ?.replace(/ compared .*/, ''),
    ]);
  }
  expect(outcomes).toEqual([
    [0, 'all is as it was written down · 3 VMs'],
    [0, '1 repaired · 3 VMs'],
    [1, '1 of 2 not repaired · 3 VMs'],
    [0, 'all is as it was written down · 3 VMs'],
  ]);
});

test('F18, F19: sweep shows what is left over by kind, and what stays is a failure', async () => {
  const leftovers = [
    { kind: 'disk', name: '/x/upper.ext4', detail: 'no VM of this id', removed: true },
    { kind: 'tap', name: 'hth-99', detail: 'busy', removed: false },
    { kind: 'disk', name: '/y/upper.ext4', detail: 'no VM of this id', removed: true },
  ];
  const swept = sweepReportSchema.parse({ at: AT, dryRun: false, leftovers });
  const told = sweepReportSchema.parse({
    ...{ at: AT, dryRun: true },
    leftovers: leftovers.map((leftover) => ({ ...leftover, removed: null })),
  });
  await using api = await answeringController({ 'POST /api/host/sweep': inTurn(told, swept) });
  const dry = await say('host', 'sweep', '--dry-run', ...api.options);
  expect(dry.code).toBe(0);
  expect(dry.out).toContain('3 left over (1 tap, 2 disk): nothing was removed');
  const real = await say('host', 'sweep', ...api.options);
  expect(real.code).toBe(1);
  expect(real.out).toMatchInlineSnapshot(`
    "KIND  NAME           OUTCOME  WHY
    tap   hth-99         stays    busy
    disk  /x/upper.ext4  removed  no VM of this id
    disk  /y/upper.ext4  removed  no VM of this id
    3 left over (1 tap, 2 disk): 1 could not be removed
    "
  `);
  expect(api.asked).toEqual([
    'POST /api/host/sweep {"dryRun":true}',
    'POST /api/host/sweep {"dryRun":false}',
  ]);
});

const drain = (changes: Partial<DrainState>): DrainState =>
  drainStateSchema.parse({ draining: true, starting: 0, running: 0, hibernated: 0, ...changes });

test('drain waits until nothing starts, and says what runs on', async () => {
  await using api = await answeringController({
    'PUT /api/host/drain': drain({ starting: 2, running: 1 }),
    'GET /api/host/drain': inTurn(drain({ starting: 1, running: 2 }), drain({ running: 3, hibernated: 1 })),
  });
  const { code, out, err } = await say('host', 'drain', ...api.options);
  expect(code).toBe(0);
  expect(api.asked).toEqual([
    'PUT /api/host/drain {"draining":true,"hibernate":false}',
    'GET /api/host/drain',
    'GET /api/host/drain',
  ]);
  expect(err).toBe('2 VMs are on the way up or down…\n1 VM is on the way up or down…\n');
  expect(out).toContain('1 hibernated, 3 VMs run on');
  expect(out).toContain('hearth host drain --off');
});

test('drain --hibernate waits for those whose turn comes later, too', async () => {
  await using api = await answeringController({
    'PUT /api/host/drain': drain({ running: 2 }),
    'GET /api/host/drain': inTurn(
      drain({ starting: 1, running: 1 }),
      drain({ running: 1, hibernated: 1 }),
      drain({ hibernated: 2 }),
    ),
  });
  const { out } = await say('host', 'drain', '--hibernate', ...api.options);
  expect(api.asked).toHaveLength(4);
  expect(out).toContain('2 hibernated, no VM runs: nothing is lost');
});

test('drain ends at its time, and the host stays drained', async () => {
  await using api = await answeringController({
    'PUT /api/host/drain': drain({ starting: 1 }),
    'GET /api/host/drain': drain({ starting: 1 }),
  });
  const { code, err } = await say('host', 'drain', '--timeout', '0.05', ...api.options);
  expect(code).toBe(1);
  expect(err).toContain('1 VM is on the way up or down after 0.05 s; the host still takes no new ones');
});

test('drain --off takes VMs again at once', async () => {
  await using api = await answeringController({
    'PUT /api/host/drain': drain({ draining: false, starting: 3 }),
  });
  expect((await say('host', 'drain', '--off', ...api.options)).out).toBe('the host takes VMs again\n');
  expect(api.asked).toEqual(['PUT /api/host/drain {"draining":false,"hibernate":false}']);
  expect(await say('host', 'drain', '--off', '--hibernate')).toMatchObject({ code: 2 });
});

test('who is no administrator is told so', async () => {
  await using api = await answeringController({
    'GET /api/host': new HearthError('forbidden', 'this call needs the role admin'),
  });
  const { code, err } = await say('host', 'status', ...api.options);
  expect(code).toBe(1);
  expect(err).toContain('Ask an administrator');
});
