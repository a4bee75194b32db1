import {
  HearthError,
  toFailure,
  type HostVm,
  type RequestId,
  type UserId,
  type VmId,
  type Why,
} from '@hearth/contract';
import { expect, it } from 'vitest';
import { advance, newVm, type VmRecord } from '../domain/vms/vm-record.ts';
import type { HostLink } from '../host-link/host-link.ts';
import { createWhyService } from './why.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const id = 'vm-000000000000' as VmId;
const size = { cpus: 1, memMiB: 2048, diskMiB: 1024 };
const userId = 'usr-000000000000' as UserId;
const requested = newVm({ id, userId, kind: 'cli', size, desktop: null, requestId: 'request-1', now: NOW });
const ready = advance(requested, 'host_ready', NOW) ?? requested;
const call = {
  identity: { userId, name: 'ana', role: 'user', via: 'token' },
  requestId: 'request-2' as RequestId,
  signal: new AbortController().signal,
} as const;

const healthy: Why = {
  ...{
    vmId: id,
    at: NOW.toISOString(),
    trigger: 'asked',
    verdict: 'healthy',
    summary: 'It answers.',
    finding: null,
  },
  checks: [
    {
      name: 'record',
      layer: 'controller',
      status: 'ok',
      says: 'booked',
      evidence: ['10.0.0.2'],
      cause: null,
    },
  ],
  tookMs: 1,
};
const nothing = (): Promise<never> =>
  Promise.reject(new HearthError('not_found', 'nothing was kept', { vmId: id }));
const ask = (vm: VmRecord, host: Partial<Pick<HostLink, 'get' | 'why'>>): Promise<Why> =>
  createWhyService({
    vms: { find: () => Promise.resolve(vm) },
    host: { get: () => Promise.resolve(null), why: nothing, ...host } as HostLink,
    world: { now: () => NOW, randomBytes: () => new Uint8Array() },
  }).ask(id, false, call);
const seenAs = (state: HostVm['state']): Partial<HostLink> => ({
  get: () => Promise.resolve({ id, state } as HostVm),
  why: () => Promise.resolve(healthy),
});

it.each([
  ['ready', 'ok', 'booked'],
  ['failed', 'unknown', 'The controller says ready, the host failed'],
  ['booting', 'unknown', 'The controller says ready, the host booting'],
] as const)('compares its record with a host that says %s', async (state, status, says) => {
  const [record] = (await ask(ready, seenAs(state))).checks;
  expect(record).toMatchObject({ status, cause: null });
  expect(record?.says).toContain(says);
  expect(record?.evidence.slice(-2)).toEqual([`the host: ${state}`, '10.0.0.2']);
});

it('says of a VM that the host was not told of that it is not there yet', async () => {
  const why = await ask(requested, {});
  expect(why).toMatchObject({ verdict: 'not_running', finding: null });
  expect(why.summary).toContain('not yet given to the host');
  const deleting = await ask(advance(ready, 'delete_requested', NOW) ?? ready, {});
  expect(deleting.summary).toContain('is being deleted');
});

it('names what a VM failed of where the host has nothing of it', async () => {
  const refused = toFailure(new HearthError('image_missing', 'none'), NOW);
  const failed = advance(requested, 'host_failed', NOW, refused) ?? requested;
  const why = await ask(failed, {});
  expect(why).toMatchObject({ verdict: 'broken', finding: { cause: 'never_started', layer: 'image' } });
  expect(why.finding?.detail).toContain('There is no gated image');
  const lost = advance(ready, 'host_gone', NOW) ?? ready;
  expect((await ask(lost, {})).finding?.cause).toBe('unknown_to_host');
  expect((await ask(ready, {})).finding?.cause).toBe('unknown_to_host');
});

it('an abort of the caller is no finding', async () => {
  const gone = new HearthError('aborted', 'the client went away');
  const asked = createWhyService({
    vms: { find: () => Promise.resolve(ready) },
    host: { get: () => Promise.reject(gone) } as Partial<HostLink> as HostLink,
    world: { now: () => NOW, randomBytes: () => new Uint8Array() },
  }).ask(id, false, { ...call, signal: AbortSignal.abort(gone) });
  await expect(asked).rejects.toMatchObject({ code: 'aborted' });
});
