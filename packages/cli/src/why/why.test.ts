import { HearthError } from '@hearth/contract';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { answeringController, say, VM_ID } from '../test-answers.ts';
import { makePaint } from '../terminal/output.ts';
import { renderWhy, type WhyView } from './render-why.ts';
import { healthyWhy, hostDownWhy, kernelPanicWhy, tapDownWhy } from './test-whys.ts';

beforeEach(() => {
  vi.stubEnv('LC_ALL', 'C.UTF-8');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const view: WhyView = {
  paint: makePaint(false),
  columns: 100,
  utf8: true,
  nowMs: Date.parse('2026-11-24T12:00:00.000Z'),
};

test('a healthy VM: the verdict and the list', () => {
  expect(renderWhy(healthyWhy, view)).toMatchInlineSnapshot(`
    "vm-0123456789ab  Every layer answers

      ✓ record           record is right
      ✓ process          process is right
      ✓ disk             disk is right
      ✓ VMM              vmm is right
      ✓ console          console is right
      ✓ control channel  control_channel is right
      ✓ guest            guest is right
      ✓ TAP              tap is right
      ✓ bridge           bridge is right
      ✓ MAC address      mac is right
      ✓ dnsmasq          dnsmasq is right
      ✓ lease            lease is right
      ✓ neighbour entry  neighbour is right
      ✓ firewall         firewall is right
      ✓ reachability     reachability is right
      ✓ agent            agent is right
      ✓ token            token is right
      – display          a CLI VM has none
      – browser          a CLI VM has none

    looked at 2026-11-24T10:00:00.000Z, in 412 ms"
  `);
});

test('F47: a TAP that is down is drawn out, and what lies beyond it is told, too', () => {
  expect(renderWhy(tapDownWhy, view)).toMatchInlineSnapshot(`
    "vm-0123456789ab  Its TAP is down

      ✓ record           record is right
      ✓ process          process is right
      ✓ disk             disk is right
      ✓ VMM              vmm is right
      ✓ console          console is right
      ✓ control channel  control_channel is right
      ✓ guest            guest is right
      ✗ TAP              hth-04 is down
          | hth-04: flags BROADCAST,MULTICAST, operstate DOWN
          | master hearth0
          → The next reconcile puts it up again (\`hearth host drift\`); find what took it down.
      ✓ bridge           bridge is right
      ✓ MAC address      mac is right
      ✓ dnsmasq          dnsmasq is right
      ✓ lease            lease is right
      ✓ neighbour entry  neighbour is right
      ✓ firewall         firewall is right
      ✗ reachability     no answer from 10.77.0.9 within 2 s
      ? agent            it can’t be reached
      ? token            it can’t be reached
      – display          a CLI VM has none
      – browser          a CLI VM has none

    looked at 2026-11-24T10:00:00.000Z, in 412 ms"
  `);
});

test('F12, F13: a panic that was kept, without what could steer the terminal', () => {
  expect(renderWhy(kernelPanicWhy, view)).toMatchInlineSnapshot(`
    "vm-0123456789ab  Its kernel panicked: it has too little memory

      ✓ record           record is right
      ✓ process          process is right
      ✓ disk             disk is right
      ✓ VMM              vmm is right
      ✗ console          the kernel panicked 3.1 s after it began
          The guest’s kernel panicked: Kernel panic - not syncing: Out of memory
          | Kernel panic - not syncing: Out of memory
          | CPU: 0 PID: 1
          → Read the console (\`hearth vm console vm-0123456789ab\`); too little memory is the usual
            cause. Create another VM, with more of it.
      ? control channel  its virtual machine ended
      ? guest            its virtual machine ended
      ? TAP              its virtual machine ended
      ? bridge           its virtual machine ended
      ? MAC address      its virtual machine ended
      ? dnsmasq          its virtual machine ended
      ? lease            its virtual machine ended
      ? neighbour entry  its virtual machine ended
      ? firewall         its virtual machine ended
      ? reachability     its virtual machine ended
      ? agent            its virtual machine ended
      ? token            its virtual machine ended
      ? display          its virtual machine ended
      ? browser          its virtual machine ended

    kept when it failed, 2026-11-24T10:00:00.000Z (2 h ago), in 412 ms"
  `);
});

test('a host daemon that is down, in ASCII and in 60 columns', () => {
  const text = renderWhy(hostDownWhy, { ...view, utf8: false, columns: 60 });
  expect(text).toMatch(/^[\n -~]*$/);
  expect(text).toMatchInlineSnapshot(`
    "vm-0123456789ab  The host daemon does not answer

      x record           the controller has it as ready; the
                         host daemon gives no answer
          connect ENOENT host.sock
          | connect ENOENT host.sock
          -> Start it with \`hearth up\`; VMs go on without it. Its
            log is named by \`hearth status\`.
      ? process          only the host daemon can look
      ? disk             only the host daemon can look
      ? VMM              only the host daemon can look
      ? console          only the host daemon can look
      ? control channel  only the host daemon can look
      ? guest            only the host daemon can look
      ? TAP              only the host daemon can look
      ? bridge           only the host daemon can look
      ? MAC address      only the host daemon can look
      ? dnsmasq          only the host daemon can look
      ? lease            only the host daemon can look
      ? neighbour entry  only the host daemon can look
      ? firewall         only the host daemon can look
      ? reachability     only the host daemon can look
      ? agent            only the host daemon can look
      ? token            only the host daemon can look
      ? display          only the host daemon can look
      ? browser          only the host daemon can look

    looked at 2026-11-24T10:00:00.000Z, in 412 ms"
  `);
});

test('colours stand on a terminal alone', () => {
  expect(renderWhy(tapDownWhy, { ...view, paint: makePaint(true) })).toContain('\u001b[31m✗');
  expect(renderWhy(tapDownWhy, view)).not.toContain('\u001b');
});

test.each([
  [healthyWhy, 0],
  [{ ...healthyWhy, verdict: 'not_running', summary: 'It is hibernated' }, 0],
  [tapDownWhy, 1],
] as const)('exits by the verdict', async (why, code) => {
  await using api = await answeringController({ [`GET /api/vms/${VM_ID}/why`]: why });
  const said = await say('why', VM_ID, ...api.options);
  expect(said.code).toBe(code);
  expect(said.err).toBe('');
  expect(said.out).toContain(why.summary);
});

test('--stored asks for what was kept; --json gives it as it is; vm why is the same', async () => {
  await using api = await answeringController({
    [`GET /api/vms/${VM_ID}/why?stored=true`]: kernelPanicWhy,
  });
  const said = await say('vm', 'why', VM_ID, '--stored', '--json', ...api.options);
  expect(said.code).toBe(1);
  expect(JSON.parse(said.out)).toEqual(kernelPanicWhy);
});

test('ASCII where the locale says so', async () => {
  vi.stubEnv('LC_ALL', 'POSIX');
  await using api = await answeringController({ [`GET /api/vms/${VM_ID}/why`]: tapDownWhy });
  const { out } = await say('why', VM_ID, ...api.options);
  expect(out).toContain('x TAP');
  expect(out).not.toContain('✗');
});

test('words that are none, and VMs that are none', async () => {
  expect(await say('why')).toMatchObject({
    code: 2,
    err: expect.stringContaining('usage: hearth why') as string,
  });
  expect((await say('why', 'vm-1')).err).toContain('hearth vm ls');
  await using api = await answeringController({
    [`GET /api/vms/${VM_ID}/why`]: new HearthError('not_found', `there is no VM ${VM_ID}`),
  });
  const missing = await say('why', VM_ID, ...api.options);
  expect(missing).toMatchObject({ code: 1, out: '' });
  expect(missing.err).toContain('There is no such thing');
});
