import { providers, signinStates, terminalSigninStates, type SigninState } from '@hearth/contract';
import { expect, it } from 'vitest';
import { headline, stepsOf, type StepState } from './steps.ts';

const at = '2026-01-01T00:00:00.000Z';
const provider = providers.claude_code;
const stepsAfter = (...states: SigninState[]): StepState[] =>
  stepsOf(
    { state: states.at(-1) ?? 'requested', timeline: states.map((state) => ({ state, at })) },
    provider,
  ).map(({ state }) => state);

it.each([
  [['requested'], ['now', 'next', 'next', 'next', 'next']],
  [
    ['requested', 'starting', 'ready'],
    ['done', 'now', 'next', 'next', 'next'],
  ],
  [
    ['requested', 'starting', 'ready', 'awaiting_user'],
    ['done', 'done', 'now', 'next', 'next'],
  ],
  [
    ['awaiting_user', 'verifying'],
    ['done', 'done', 'done', 'now', 'next'],
  ],
  [
    ['requested', 'cancelled'],
    ['broken', 'next', 'next', 'next', 'next'],
  ],
  [
    ['requested', 'starting', 'ready', 'awaiting_user', 'expired'],
    ['done', 'done', 'broken', 'next', 'next'],
  ],
  [
    ['awaiting_user', 'verifying', 'failed'],
    ['done', 'done', 'done', 'broken', 'next'],
  ],
] as [SigninState[], StepState[]][])('after %j the steps are %j', (states, steps) => {
  expect(stepsAfter(...states)).toEqual(steps);
});

it('F21: a completed sign-in has no step that looks broken or open', () => {
  expect(
    new Set(stepsAfter('requested', 'starting', 'ready', 'awaiting_user', 'verifying', 'completed')),
  ).toEqual(new Set(['done']));
});

it('has one step under way in every state that is none of the ends, and none after', () => {
  for (const state of signinStates) {
    const under = stepsAfter(state).filter((step) => step === 'now').length;
    expect(under, state).toBe(terminalSigninStates.includes(state) ? 0 : 1);
    expect(headline({ state, method: 'browser' }, provider)).not.toBe('');
  }
});
