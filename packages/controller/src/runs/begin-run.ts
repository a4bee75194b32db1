import {
  asHearthError,
  HearthError,
  providers,
  toFailure,
  type ErrorCode,
  type GuestRunOrder,
  type RequestId,
} from '@hearth/contract';
import type { CredentialService } from '../credentials/credential-service.ts';
import { advance, end, sent, type RunOrder, type RunRecord } from '../domain/runs/run-record.ts';
import type { World } from '../clock.ts';
import type { CliVms } from './cli-vms.ts';
import type { GuestRuns } from './guest-runs.ts';
import type { RunBook } from './run-book.ts';
import type { UseOfVms } from './use-of-vms.ts';

/** What passes by itself: the run waits for it. */
const passing: Partial<Record<ErrorCode, string>> = {
  credential_busy: 'another VM that uses its sign-in now',
  capacity_exceeded: 'room on the host',
  addresses_exhausted: 'an address for its VM',
  creation_paused: 'the creation of VMs, which is stopped',
  host_draining: 'the host, which is being drained',
  host_unreachable: 'the host daemon, which does not answer',
  vm_hibernated: 'its VM, which is hibernated',
};

export interface BeginRunDeps {
  book: RunBook;
  guest: GuestRuns;
  cliVms: Pick<CliVms, 'ready'>;
  credentials: Pick<CredentialService, 'handOver'>;
  using: UseOfVms;
  world: World;
}

/** What became of it: it runs; or it can't start for now, and what it waits for; or it is over or paused. */
export type Beginning = { outcome: 'running' } | { outcome: 'waits'; waitingFor: string } | { outcome: 'no' };

/**
 * Brings a `starting` run into its VM. Taken up again at any point, it comes to the same: the guest knows a run by its id.
 * `signal`: the controller stops, which leaves the run as it is; `cancelled`: someone cancelled it.
 */
export async function beginRun(
  deps: BeginRunDeps,
  run: RunRecord,
  { signal, cancelled }: { signal: AbortSignal; cancelled: AbortSignal },
): Promise<Beginning> {
  const { book, world } = deps;
  try {
    if (run.cancelWanted) throw new HearthError('aborted', `${run.id} is cancelled`);
    await bringIn(deps, run, AbortSignal.any([signal, cancelled]));
    return { outcome: 'running' };
  } catch (error) {
    if (signal.aborted) throw error;
    const cause = asHearthError(error);
    let waitingFor: string | undefined;
    await book.change(run.id, (now) => {
      waitingFor = undefined;
      if (now.cancelWanted) return write(end(now, 'cancelled', null, world.now()));
      if (cause.code === 'needs_login') return write(moved(advance(now, 'refused')));
      waitingFor = passing[cause.code];
      if (waitingFor === undefined)
        return write(end(now, 'failed', toFailure(cause, world.now()), world.now()));
      return write(moved(advance({ ...now, vmId: now.inGuest ? now.vmId : null }, 'put_back')));
    });
    return waitingFor === undefined ? { outcome: 'no' } : { outcome: 'waits', waitingFor };
  }
}

async function bringIn(deps: BeginRunDeps, run: RunRecord, signal: AbortSignal): Promise<void> {
  const { book, guest, cliVms, credentials, using, world } = deps;
  const { id, userId, provider } = run;
  const requestId = run.requestId as RequestId;
  const identity = { userId, name: '', role: 'user', via: 'token' } as const;
  const vm = await cliVms.ready(userId, { identity, requestId, signal }, run.wantedVmId ?? undefined);
  const release = using.begin(id, vm.id, provider);
  try {
    await credentials.handOver(vm, provider, { requestId, signal });
    const order = await book.store.order(id);
    if (order === null) throw new HearthError('internal', `the order of ${id} is gone`);
    // Before it can be there; a cancelled one is not begun any more.
    await book.change(id, (now) => {
      if (now.cancelWanted) throw new HearthError('aborted', `${id} is cancelled`);
      return { run: { ...now, vmId: vm.id, inGuest: true, version: now.version + 1 }, events: [] };
    });
    await guest.put(vm.id, id, toGuestOrder(run, order), { signal, requestId });
    await book.change(id, (now) => {
      const change = sent(now, vm.id, world.now());
      return change === null ? null : { ...change, forgetOrder: true };
    });
  } finally {
    release();
  }
}

function toGuestOrder(run: RunRecord, { prompt, files, model, baseUrl }: RunOrder): GuestRunOrder {
  const { provider, continues, cwd, timeoutMs } = run;
  const headless = providers[provider].headless(prompt, {
    ...(baseUrl === null ? {} : { baseUrl }),
    ...(model === null ? {} : { model }),
    ...(continues === null ? {} : { conversationId: continues }),
  });
  return { ...headless, provider, cwd, files, timeoutMs };
}

const moved = (run: RunRecord | null): { run: RunRecord; events: [] } | null =>
  run === null ? null : { run, events: [] };
/** A run that is over has no use for its order. */
const write = <T extends { run: RunRecord }>(change: T | null): (T & { forgetOrder?: boolean }) | null =>
  change === null || change.run.endedAt === null ? change : { ...change, forgetOrder: true };
