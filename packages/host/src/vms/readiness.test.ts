import {
  HearthError,
  startProgress,
  type AgentHealth,
  type GuestMessage,
  type HostVm,
  type ServiceState,
} from '@hearth/contract';
import { expect, test } from 'vitest';
import { readConsoleLine } from './console-signs.ts';
import { judgeWords, listen, noWords, verifyOverNetwork } from './readiness.ts';

const id = 'vm-000000000001' as HostVm['id'];
const vm = {
  id,
  kind: 'browser' as const,
  address: { ip: '10.0.0.2', mac: '02:48:0a:00:00:02', tap: 'tap1', hostname: id, machineId: '0'.repeat(32) },
};
const manifest = { agent: { version: '1.0', sha256: '0'.repeat(64) } };
const address = (ip: string | null): GuestMessage => ({
  type: 'address',
  address: { interface: 'eth0', mac: vm.address.mac, ip, prefixLength: 24, gateway: null },
});
const hello: GuestMessage = { type: 'hello', agentVersion: '1.0', bootId: 'b', uptimeSeconds: 1 };
const healthy: AgentHealth = { status: 'ok', version: '1.0', uptimeSeconds: 1, vmId: id, services: [] };
const soon = () => startProgress({ what: 'becoming ready', timeoutMs: 120 });

const services = (...names: ServiceState['name'][]): GuestMessage => ({
  type: 'services',
  services: names.map((name) => ({ name, state: 'running', detail: '' })),
});

test('the guest is ready to be verified once it is configured, has the booked address, and all of its kind runs', () => {
  let words = listen(noWords(), hello);
  expect(judgeWords(words, vm, manifest)).toBe(false);
  words = listen(words, address(null));
  words = { ...listen(words, address('10.0.0.2')), configured: true };
  expect(judgeWords(words, vm, manifest)).toBe(false);
  words = listen(words, services('agent'));
  expect(judgeWords(words, vm, manifest)).toBe(false);
  expect(judgeWords(words, { ...vm, kind: 'cli' }, manifest)).toBe(true);
  words = listen(words, services('agent', 'display', 'desktop', 'browser'));
  expect(judgeWords(words, vm, manifest)).toBe(true);
  words = listen(words, {
    type: 'services',
    services: [...words.services.slice(0, 3), { name: 'browser', state: 'failed', detail: 'hung' }],
  });
  expect(judgeWords(words, vm, manifest)).toBe(false);
});

test('F1: another address than the booked one is an error that names both', () => {
  expect(() => judgeWords(listen(noWords(), address('10.0.0.9')), vm, manifest)).toThrow(
    /took 10\.0\.0\.9.*book has 10\.0\.0\.2/,
  );
});

test("F9: an agent that is not the image's own is refused", () => {
  const words = listen(noWords(), { ...hello, agentVersion: '0.9' });
  expect(() => judgeWords(words, vm, manifest)).toThrow(/runs agent 0\.9.*names 1\.0/);
});

test('F7: an agent that answers with a service missing is not ready, and the deadline tells which', async () => {
  const probe = (): Promise<AgentHealth> =>
    Promise.resolve({
      ...healthy,
      status: 'degraded',
      services: [{ name: 'browser', state: 'starting', detail: 'no answer on 9222' }],
    });
  await expect(verifyOverNetwork(probe, vm, soon())).rejects.toThrow(
    /browser is starting \(no answer on 9222\); the deadline/,
  );
});

test('F38: an agent that cannot be reached is reported as such, not as a deadline', async () => {
  const probe = (): Promise<AgentHealth> =>
    Promise.reject(
      new HearthError(
        'agent_unreachable',
        '10.0.0.2:8080: nobody owns this address on the bridge (EHOSTUNREACH)',
      ),
    );
  await expect(verifyOverNetwork(probe, vm, soon())).rejects.toMatchObject({ code: 'agent_unreachable' });
});

test('another VM answering at the address is an error at once', async () => {
  const probe = (): Promise<AgentHealth> =>
    Promise.resolve({ ...healthy, vmId: 'vm-000000000002' as HostVm['id'] });
  await expect(verifyOverNetwork(probe, vm, soon())).rejects.toMatchObject({ code: 'address_mismatch' });
});

test('F12: a panic on the console is the cause; phases are told apart', () => {
  expect(readConsoleLine('[    1.2] Kernel panic - not syncing: Out of memory\r')).toMatchObject({
    type: 'fault',
    code: 'kernel_panic',
  });
  expect(readConsoleLine('hearth-phase: initramfs')).toBeNull();
  expect(readConsoleLine('hearth-phase: init\r')).toEqual({ type: 'phase', phase: 'init' });
  expect(readConsoleLine('hearth-error: no disk with label hearth-upper')).toMatchObject({
    detail: expect.stringContaining('no disk') as string,
  });
});
