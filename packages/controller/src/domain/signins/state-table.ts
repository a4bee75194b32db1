import type { SigninState } from '@hearth/contract';

/**
 * What can happen to a sign-in.
 * vm_made: it has its browser VM; vm_ready: that is proven to answer; person_asked: the tool's login waits for the person;
 * credential_seen: the tool wrote a credential; stored: it is in the vault; failed: with its cause; cancelled: by its owner or an
 * administrator; expired: nobody completed it in time.
 */
export const signinEvents = [
  'vm_made',
  'vm_ready',
  'person_asked',
  'credential_seen',
  'stored',
  'failed',
  'cancelled',
  'expired',
] as const;
export type SigninEvent = (typeof signinEvents)[number];

type Row = Readonly<Partial<Record<SigninEvent, SigninState>>>;
const ends: Row = { failed: 'failed', cancelled: 'cancelled', expired: 'expired' };

/**
 * state × event → state; an event that isn't listed changes nothing. Terminal states are never left (F22).
 * `verifying` + person_asked: the tool took its credential back, and asks again. Only `verifying` leads to `completed`.
 */
export const signinStateTable: Readonly<Record<SigninState, Row>> = {
  requested: { ...ends, vm_made: 'starting' },
  starting: { ...ends, vm_ready: 'ready' },
  ready: { ...ends, person_asked: 'awaiting_user', credential_seen: 'verifying' },
  awaiting_user: { ...ends, credential_seen: 'verifying' },
  verifying: { ...ends, person_asked: 'awaiting_user', stored: 'completed' },
  completed: {},
  failed: {},
  cancelled: {},
  expired: {},
};

export const nextSigninState = (state: SigninState, event: SigninEvent): SigninState =>
  signinStateTable[state][event] ?? state;
