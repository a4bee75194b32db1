import { HearthError, makeFinding } from '@hearth/contract';
import { expect, test } from 'vitest';
import { answeringController, say, testVm, timeline, VM_ID } from '../test-answers.ts';

const AT = '2026-11-24T10:00:00.000Z';
const finding = makeFinding('tap_down', 'network', 'hth-04 is down', new Date(AT));
const failure = {
  ...{ code: 'guest_not_ready', layer: 'guest', title: 'The guest did not become ready', at: AT },
  ...{ detail: 'no hello within 60 s', hint: 'Read the console.' },
};
const panic = makeFinding('kernel_panic', 'console', 'Kernel panic - not syncing', new Date(AT));

test('ls calls a VM that stopped answering unhealthy, and names what was found', async () => {
  await using api = await answeringController({
    'GET /api/vms': {
      vms: [testVm({ finding }), testVm({ id: 'vm-ba9876543210', state: 'failed', failure, finding: panic })],
    },
  });
  const { out, err } = await say('vm', 'ls', ...api.options);
  const [, unhealthy, failed] = out.split('\n');
  expect(unhealthy).toMatch(/cli +unhealthy .* Its TAP is down$/);
  expect(failed).toMatch(/failed .* The guest did not become ready, The guest’s kernel panicked$/);
  expect(err).toContain(`hearth why ${VM_ID}`);
});

test('show tells what was found, where, and what to do with this very VM', async () => {
  const found = makeFinding('display_dead', 'desktop', 'Xtigervnc is gone', new Date(AT));
  await using api = await answeringController({ [`GET /api/vms/${VM_ID}`]: testVm({ finding: found }) });
  const { out } = await say('vm', 'show', VM_ID, ...api.options);
  expect(out).toMatch(/state +unhealthy/);
  expect(out).toContain('found: Its display does not run: Xtigervnc is gone');
  expect(out).toContain(`\`hearth vm console ${VM_ID}\``);
  expect(out).toContain(`hearth why ${VM_ID}`);
});

test('F47: a creation that fails says what was found', async () => {
  await using api = await answeringController({
    'POST /api/vms': testVm({ state: 'starting' }),
    [`GET /api/vms/${VM_ID}/events`]: [testVm({ state: 'failed', failure, finding: panic })],
  });
  const { code, out, err } = await say('vm', 'create', '--kind', 'cli', ...api.options);
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('no hello within 60 s. Found (console): The guest’s kernel panicked: Kernel panic');
  expect(err).toContain(`what to do: Read the console (\`hearth vm console ${VM_ID}\`)`);
  expect(err).toContain(`hearth why ${VM_ID}`);
});

test('restart follows the boot to its end, or returns at once', async () => {
  await using api = await answeringController({
    [`POST /api/vms/${VM_ID}/restart`]: testVm({ state: 'starting', timeline: timeline(AT) }),
    [`GET /api/vms/${VM_ID}/events`]: [
      testVm({ state: 'ready', origin: 'image', timeline: timeline(AT, ['vmm', 100], ['ready', 900]) }),
    ],
  });
  const followed = await say('vm', 'restart', VM_ID, ...api.options);
  expect([followed.code, followed.out]).toEqual([0, `${VM_ID}\n`]);
  expect(followed.err).toContain('ready at 10.77.0.9 after 900 ms');
  expect(api.asked).toEqual([`POST /api/vms/${VM_ID}/restart`, `GET /api/vms/${VM_ID}/events`]);
  expect(await say('vm', 'restart', VM_ID, '--no-wait', ...api.options)).toMatchObject({ out: `${VM_ID}\n` });
  expect(api.asked).toHaveLength(3);
});

test('a VM that can’t be restarted: why not', async () => {
  await using api = await answeringController({
    [`POST /api/vms/${VM_ID}/restart`]: new HearthError('conflict', `${VM_ID} is of kind browser`),
  });
  const { code, err } = await say('vm', 'restart', VM_ID, ...api.options);
  expect(code).toBe(1);
  expect(err).toContain('is of kind browser');
});
