import {
  HearthError,
  isAllowedUrl,
  providers,
  terminalSigninStates,
  toFailure,
  type Failure,
  type GuestSignin,
  type ProviderId,
  type Signin,
  type SigninId,
  type UserId,
  type VmId,
} from '@hearth/contract';
import { isExpired, later } from '../users/lifetimes.ts';
import { nextSigninState, type SigninEvent } from './state-table.ts';

/** A sign-in as the controller keeps it: one record, with its VM and its owner (F23). */
export interface SigninRecord extends Omit<Signin, 'novncURL'> {
  /** Correlation id of the call that began it. */
  requestId: string;
  /** Its VM is being deleted, or it never had one: nothing is left to do after its end. */
  swept: boolean;
}

export interface NewSignin {
  sessionId: SigninId;
  userId: UserId;
  provider: ProviderId;
  method: Signin['method'];
  requestId: string;
  timeoutMinutes: number;
  now: Date;
}

export function newSignin(wish: NewSignin): SigninRecord {
  const { sessionId, userId, provider, method, requestId, timeoutMinutes, now } = wish;
  const at = now.toISOString();
  return {
    sessionId,
    userId,
    provider,
    method,
    state: 'requested',
    version: 0,
    vmId: null,
    browserIP: null,
    oauthUrl: null,
    userCode: null,
    wantsCode: false,
    codeRefused: null,
    words: '',
    account: null,
    failure: null,
    createdAt: at,
    expiresAt: later(now, timeoutMinutes * 60_000),
    endedAt: null,
    timeline: [{ state: 'requested', at }],
    requestId,
    swept: false,
  };
}

export const isOver = ({ state }: Pick<SigninRecord, 'state'>): boolean =>
  terminalSigninStates.includes(state);

/** What the API shows. The desktop is gone with the sign-in; the VM's id stays, for its console. */
export function toSigninView({ requestId: _requestId, swept: _swept, ...signin }: SigninRecord): Signin {
  const { vmId } = signin;
  return { ...signin, novncURL: vmId === null || isOver(signin) ? null : `/vms/${vmId}/desktop` };
}

/** Moves a sign-in by one event. Gives null where the event changes nothing. */
export function advanceSignin(
  signin: SigninRecord,
  event: SigninEvent,
  now: Date,
  failure: Failure | null = null,
): SigninRecord | null {
  const state = nextSigninState(signin.state, event);
  if (state === signin.state) return null;
  const at = now.toISOString();
  const next = {
    ...signin,
    state,
    version: signin.version + 1,
    timeline: [...signin.timeline, { state, at }],
  };
  if (!isOver(next)) return next;
  // The link and the code are of no use any more, and the address may be another VM's soon (F24).
  const asked = { oauthUrl: null, userCode: null, wantsCode: false, browserIP: null };
  return { ...next, ...asked, failure, endedAt: at };
}

/** The VM that was made for it. */
export function withVm(
  signin: SigninRecord,
  vm: { id: VmId; ip: string | null },
  now: Date,
): SigninRecord | null {
  const next = advanceSignin({ ...signin, vmId: vm.id, browserIP: vm.ip }, 'vm_made', now);
  if (next !== null || signin.vmId !== null) return next;
  // It ended meanwhile; whoever sweeps must know the VM.
  return { ...signin, vmId: vm.id, version: signin.version + 1, swept: false };
}

export function withAddress(signin: SigninRecord, ip: string | null): SigninRecord | null {
  if (isOver(signin) || ip === signin.browserIP) return null;
  return { ...signin, browserIP: ip, version: signin.version + 1 };
}

/** Past its time, in whatever state the record is yet (F24)? */
export const isOverdue = (signin: SigninRecord, now: Date): boolean =>
  !isOver(signin) && isExpired(signin.expiresAt, now);

export const expire = (signin: SigninRecord, now: Date): SigninRecord | null =>
  advanceSignin(
    signin,
    'expired',
    now,
    toFailure(
      new HearthError('signin_expired', `it was ${signin.state} when its time was over, ${signin.expiresAt}`),
      now,
    ),
  );

/** Takes in what the agent says. Gives null where nothing is new. */
export function observeGuest(signin: SigninRecord, guest: GuestSignin, now: Date): SigninRecord | null {
  if (isOver(signin)) return null;
  const facts = {
    // Whatever runs in the VM: no other link is shown to the person.
    oauthUrl: shownLink(signin.provider, guest.oauthUrl),
    userCode: guest.userCode,
    wantsCode: guest.wantsCode,
    codeRefused: guest.codeRefused,
    words: guest.words,
    account: guest.account,
  };
  const known = { ...signin, ...facts };
  const moved = move(known, guest, now);
  if (moved !== null) return moved;
  const keys = Object.keys(facts) as (keyof typeof facts)[];
  const same = keys.every((key) => signin[key] === facts[key]);
  return same ? null : { ...known, version: signin.version + 1 };
}

function move(signin: SigninRecord, { phase, failure }: GuestSignin, now: Date): SigninRecord | null {
  switch (phase) {
    case 'starting':
      return null;
    case 'awaiting_user':
      return advanceSignin(signin, 'person_asked', now);
    case 'verifying':
    case 'signed_in':
      return advanceSignin(signin, 'credential_seen', now);
    case 'failed':
      return advanceSignin(signin, 'failed', now, failure ?? unexplained(signin, now));
    case 'cancelled':
      return advanceSignin(signin, 'cancelled', now);
  }
}

const shownLink = (provider: ProviderId, link: string | null): string | null =>
  link !== null && isAllowedUrl(providers[provider], link) ? link : null;

const unexplained = ({ words }: SigninRecord, now: Date): Failure =>
  toFailure(new HearthError('signin_failed', words === '' ? 'it gave no reason' : words), now);
