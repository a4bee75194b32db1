import {
  HearthError,
  signinStates,
  terminalSigninStates,
  toFailure,
  type GuestSignin,
} from '@hearth/contract';
import type { SigninId, UserId, VmId } from '@hearth/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanceSignin,
  expire,
  isOver,
  newSignin,
  observeGuest,
  toSigninView,
  withVm,
  type SigninRecord,
} from './signin-record.ts';
import { signinEvents, signinStateTable } from './state-table.ts';

const NOW = new Date('2026-01-01T00:00:00.000Z');
const VM = { id: 'vm-000000000000' as VmId, ip: '192.168.100.2' };
const LINK = 'https://claude.ai/oauth/authorize?code=true';
const fresh = (): SigninRecord =>
  newSignin({
    ...{ sessionId: 'sgn-000000000000' as SigninId, userId: 'usr-000000000000' as UserId },
    ...{ provider: 'claude_code', method: 'browser', requestId: 'request-1', timeoutMinutes: 15, now: NOW },
  });
const guest = (phase: GuestSignin['phase'], oauthUrl: string | null = null): GuestSignin => ({
  ...{ sessionId: fresh().sessionId, provider: 'claude_code', method: 'browser', phase, oauthUrl },
  ...{ userCode: null, wantsCode: false, codeRefused: null, words: '', account: null, failure: null },
});
const phases = ['starting', 'awaiting_user', 'verifying', 'signed_in', 'failed', 'cancelled'] as const;
const failure = toFailure(new HearthError('signin_vm_failed', 'it died'), NOW);

type Step = (signin: SigninRecord, now: Date) => SigninRecord | null;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom(...signinEvents).map(
    (event): Step =>
      (signin, now) =>
        advanceSignin(signin, event, now, event === 'failed' ? failure : null),
  ),
  fc.constantFrom(...phases).map(
    (phase): Step =>
      (signin, now) =>
        observeGuest(signin, guest(phase), now),
  ),
  fc.constant<Step>((signin, now) => withVm(signin, VM, now)),
  fc.constant<Step>(expire),
);

describe('sign-in state table', () => {
  it('lists every state, and leads to known ones only', () => {
    expect(Object.keys(signinStateTable).toSorted()).toEqual([...signinStates].toSorted());
    for (const state of terminalSigninStates) expect(signinStateTable[state]).toEqual({});
    for (const row of Object.values(signinStateTable))
      for (const state of Object.values(row)) expect(signinStates).toContain(state);
  });

  it('F22: what ended stays as it ended, whatever comes; only `verifying` is completed; versions only grow', () => {
    let ended = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let signin = fresh();
        for (const [second, act] of steps.entries()) {
          const before = signin;
          const next = act(before, new Date(NOW.getTime() + second * 1000));
          if (next === null) continue;
          expect(next.version).toBe(before.version + 1);
          if (isOver(before)) {
            ended += 1;
            const { vmId: _vm, version: _version, swept: _swept, ...rest } = next;
            expect(before).toMatchObject(rest);
          }
          if (next.state === 'completed' && before.state !== 'completed')
            expect(before.state).toBe('verifying');
          expect(next.endedAt !== null).toBe(isOver(next));
          expect(next.timeline.filter(({ state }) => terminalSigninStates.includes(state)).length).toBe(
            isOver(next) ? 1 : 0,
          );
          signin = next;
        }
      }),
      { numRuns: 500 },
    );
    expect(ended).toBeGreaterThan(0);
  });

  it('shows no link that the provider doesn’t know, and none after the end', () => {
    const ready = { ...fresh(), state: 'ready' as const };
    const asked = observeGuest(ready, guest('awaiting_user', LINK), NOW);
    expect(asked).toMatchObject({ state: 'awaiting_user', oauthUrl: LINK });
    for (const link of ['https://evil.example/oauth', 'javascript:alert(1)', 'http://claude.ai/oauth'])
      expect(observeGuest(ready, guest('awaiting_user', link), NOW)?.oauthUrl).toBeNull();
    const over = expire(asked ?? ready, NOW);
    expect(over).toMatchObject({ state: 'expired', oauthUrl: null, failure: { code: 'signin_expired' } });
  });

  it('F24: the desktop of a sign-in that ended is shown no more', () => {
    const made = withVm(fresh(), VM, NOW) ?? fresh();
    expect(toSigninView(made)).toMatchObject({ novncURL: `/vms/${VM.id}/desktop`, browserIP: VM.ip });
    const over = advanceSignin(made, 'cancelled', NOW) ?? made;
    expect(toSigninView(over)).toMatchObject({ novncURL: null, browserIP: null, vmId: VM.id });
  });

  it('F42: a VM that was made while the sign-in ended is known to it all the same', () => {
    const over = advanceSignin(fresh(), 'cancelled', NOW) ?? fresh();
    expect(withVm({ ...over, swept: true }, VM, NOW)).toMatchObject({
      ...{ state: 'cancelled', vmId: VM.id, swept: false },
    });
  });
});
