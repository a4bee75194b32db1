import {
  asHearthError,
  HearthError,
  isAllowedUrl,
  pause,
  providers,
  startProgress,
  toFailure,
  type ErrorCode,
  type GuestSignin,
  type Log,
  type RequestId,
  type SigninId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import {
  advanceSignin,
  isOver,
  observeGuest,
  withAddress,
  withVm,
  type SigninRecord,
} from '../domain/signins/signin-record.ts';
import type { Identity } from '../domain/users/identity.ts';
import { IDEMPOTENCY_MS, later } from '../domain/users/lifetimes.ts';
import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmStore } from '../store/vms.ts';
import type { VmService } from '../vms/vm-service.ts';
import type { Complete } from './completion.ts';
import type { GuestLogin } from './guest-login.ts';
import type { SigninBook } from './signin-book.ts';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;
/** A VM that says nothing of use for so long is lost, whatever the host thinks of it. */
const LOST_AFTER_MS = 120_000;

/** After these the next try may succeed: the way to the VM is broken, not the sign-in. */
const passing: readonly ErrorCode[] = [
  ...(['host_unreachable', 'agent_unreachable', 'agent_not_configured', 'control_channel_failed'] as const),
  ...(['vm_not_ready', 'deadline_exceeded', 'not_found', 'database_failed', 'disk_full', 'aborted'] as const),
];

export interface JourneyDeps {
  book: SigninBook;
  vms: VmService;
  vmStore: Pick<VmStore, 'get' | 'findKey'>;
  login: GuestLogin;
  complete: Complete;
  world: World;
  log: Log;
  signal: AbortSignal;
}

/**
 * Leads a sign-in to its end, from whatever its record says: it makes the VM, waits for it, has the login run, takes the
 * credential, and deletes the VM after the end. A controller that restarts goes on with it.
 */
export interface Journeys {
  /** Goes on with this one, if it isn't under way. `isNew`: a host that doesn't answer ends it, for somebody waits. */
  run(id: SigninId, isNew?: boolean): void;
  /** Goes on with all that have work left. Never throws. */
  takeUp(): Promise<void>;
  settled(): Promise<void>;
}

/** The sign-in acts for its owner; it makes one VM, however often it is tried. */
const ownerOf = (userId: UserId): Identity => ({ userId, name: '', role: 'user', via: 'token' });
const creationKey = (id: SigninId): string => `signin-${id}`;

export function createJourneys(deps: JourneyDeps): Journeys {
  const { book, vms, vmStore, login, complete, world, log, signal } = deps;
  const under = new Map<SigninId, Promise<void>>();

  const fail = async ({ sessionId, vmId }: SigninRecord, error: HearthError): Promise<void> => {
    log('a sign-in failed', { sessionId, vmId, code: error.code, detail: error.detail });
    await book.change(sessionId, (now) =>
      advanceSignin(now, 'failed', world.now(), toFailure(error, world.now())),
    );
  };

  const makeVm = async ({ sessionId, userId, requestId }: SigninRecord): Promise<void> => {
    // Not the caller's signal: the sign-in goes on where the page is closed.
    const call = { identity: ownerOf(userId), requestId: requestId as RequestId, signal };
    const { vm } = await vms.create({ kind: 'browser' }, { ...call, idempotencyKey: creationKey(sessionId) });
    await book.change(sessionId, (now) => withVm(now, vm, world.now()));
  };
  const waitForVm = async (signin: SigninRecord, vm: VmRecord, until: AbortSignal): Promise<void> => {
    const coming = ({ state, ip }: VmRecord): boolean =>
      (state === 'requested' || state === 'starting') && ip === vm.ip;
    const timeoutMs = Date.parse(signin.expiresAt) - world.now().getTime();
    const now = await vms.waitFor(vm, (next) => !coming(next), { timeoutMs, signal: until });
    await book.change(signin.sessionId, (known) => withAddress(known, now.ip));
    if (now.state === 'ready')
      await book.change(signin.sessionId, (known) => advanceSignin(known, 'vm_ready', world.now()));
  };
  const followLogin = async (
    signin: SigninRecord,
    vm: VmRecord,
    until: AbortSignal,
    alive: () => void,
  ): Promise<void> => {
    const { sessionId, provider, method, requestId } = signin;
    const options = { signal: until, requestId };
    const order = { sessionId, provider, method, hostTimeMs: world.now().getTime() };
    /** Gives whether that was all. */
    const take = async (guest: GuestSignin): Promise<boolean> => {
      if (guest.sessionId !== sessionId)
        throw new HearthError('agent_unreachable', `the agent of ${vm.id} runs another sign-in`);
      const known = providers[provider];
      if (guest.oauthUrl !== null && !isAllowedUrl(known, guest.oauthUrl))
        log('a link that the provider’s sign-in doesn’t use is not shown', { sessionId, provider });
      const now = await book.change(sessionId, (before) => observeGuest(before, guest, world.now()));
      if (now === null || isOver(now)) return true;
      if (guest.phase !== 'signed_in') return false;
      await complete(now, guest, options);
      return true;
    };
    if (await take(await login.begin(vm.id, order, options))) return;
    for await (const guest of login.follow(vm.id, options)) {
      alive();
      if (await take(guest)) return;
    }
    throw new HearthError('agent_unreachable', `the agent of ${vm.id} ended its answer`, { vmId: vm.id });
  };
  const step = async (signin: SigninRecord, until: AbortSignal, alive: () => void): Promise<void> => {
    const { vmId } = signin;
    if (vmId === null) return makeVm(signin);
    const vm = await vmStore.get(vmId);
    const reason = lostBecause(vmId, vm);
    if (reason !== null || vm === null) return fail(signin, reason ?? vanished(vmId));
    if (signin.state === 'starting') return waitForVm(signin, vm, until);
    return followLogin(signin, vm, until, alive);
  };

  /** Gives its VM back; the existing reconcile goes on with a removal that fails. Only what this sign-in made (F42). */
  const sweep = async ({ sessionId, userId, vmId: known, createdAt }: SigninRecord): Promise<void> => {
    const since = later(new Date(createdAt), -IDEMPOTENCY_MS);
    const vmId = known ?? (await vmStore.findKey(userId, creationKey(sessionId), since))?.vmId ?? null;
    const vm = vmId === null ? null : await vmStore.get(vmId);
    if (vm !== null && vm.userId === userId && vm.state !== 'deleting' && vm.state !== 'deleted')
      await vms.delete(ownerOf(userId), vm.id);
    await book.change(sessionId, (now) => ({ ...now, vmId, swept: true, version: now.version + 1 }));
  };

  /** Ends a step at once where the sign-in is over, its VM is lost, or its time is. */
  const guardStep = async (signin: SigninRecord, isNew: boolean, alive: () => void): Promise<void> => {
    const end = new AbortController();
    const stop = (why: string): void => end.abort(new HearthError('aborted', why));
    const unwatch = [
      book.watch(signin.sessionId, (now) => {
        if (isOver(now)) stop('the sign-in is over');
      }),
    ];
    if (signin.vmId !== null)
      unwatch.push(
        vms.watch(signin.vmId, (vm) => {
          if (vm === null || lostBecause(vm.id, vm) !== null) stop('the VM is lost');
        }),
      );
    const left = startProgress({
      what: `sign-in ${signin.sessionId}`,
      timeoutMs: Math.max(0, Date.parse(signin.expiresAt) - world.now().getTime()),
      signal: AbortSignal.any([signal, end.signal]),
    });
    try {
      await step(signin, left.signal, alive);
    } catch (error) {
      // Whatever ended it, the record says how it goes on.
      if (left.signal.aborted) return;
      const cause = asHearthError(error);
      if (!passing.includes(cause.code) || isNew) {
        await fail(signin, cause);
        return;
      }
      throw error;
    } finally {
      for (const act of unwatch) act();
      end.abort();
    }
  };

  const drive = async (id: SigninId, isNew: boolean): Promise<void> => {
    const way: { pauseMs: number; brokenSinceMs: number | null } = {
      ...{ pauseMs: FIRST_PAUSE_MS, brokenSinceMs: null },
    };
    const alive = (): void => void Object.assign(way, { pauseMs: FIRST_PAUSE_MS, brokenSinceMs: null });
    const isStopping = (): boolean => signal.aborted;
    while (!isStopping()) {
      try {
        const signin = await book.get(id);
        if (signin === null || (isOver(signin) && signin.swept)) return;
        if (isOver(signin)) {
          await sweep(signin);
          return;
        }
        await guardStep(signin, isNew && signin.vmId === null, alive);
        alive();
      } catch (error) {
        if (isStopping()) return;
        const cause = asHearthError(error);
        way.brokenSinceMs ??= performance.now();
        log('a step of a sign-in did not succeed; it is tried again', {
          ...{ sessionId: id, code: cause.code, detail: cause.detail },
        });
        if (performance.now() - way.brokenSinceMs > LOST_AFTER_MS) await giveUp(id, cause);
        await pause(way.pauseMs, signal).catch(() => undefined);
        way.pauseMs = Math.min(way.pauseMs * 2, LONGEST_PAUSE_MS);
      }
    }
  };
  const giveUp = async (id: SigninId, cause: HearthError): Promise<void> => {
    try {
      const signin = await book.get(id);
      if (signin !== null && !isOver(signin))
        await fail(signin, new HearthError('signin_vm_failed', cause.message, { cause }));
    } catch (error) {
      log('a sign-in could not be ended; it is tried again', {
        ...{ sessionId: id, code: asHearthError(error).code },
      });
    }
  };

  const run: Journeys['run'] = (id, isNew = false) => {
    if (under.has(id)) return;
    under.set(
      id,
      drive(id, isNew).finally(() => under.delete(id)),
    );
  };
  return {
    run,
    takeUp: async () => {
      try {
        for (const { sessionId } of await book.store.open()) run(sessionId);
      } catch (error) {
        const { code, detail } = asHearthError(error);
        log('sign-ins could not be taken up; it is tried again', { code, detail });
      }
    },
    settled: async () => {
      await Promise.all(under.values());
    },
  };
}

const vanished = (vmId: VmId): HearthError =>
  new HearthError('signin_vm_failed', `${vmId} is not there any more`, { vmId });

/** Why nobody will sign in on that VM any more; null where one may. */
function lostBecause(vmId: VmId, vm: VmRecord | null): HearthError | null {
  if (vm === null) return vanished(vmId);
  if (vm.state === 'failed' && vm.failure !== null) {
    const { title, detail, hint } = vm.failure;
    return new HearthError('signin_vm_failed', `${vmId} failed: ${title}: ${detail}`, { vmId, hint });
  }
  if (vm.state === 'requested' || vm.state === 'starting' || vm.state === 'ready') return null;
  return new HearthError('signin_vm_failed', `${vmId} is ${vm.state}`, { vmId });
}
