import { errorCodes, errorTable } from '@hearth/contract';
import { expect, it } from 'vitest';
import { nextStep } from './reconnect-policy.ts';

it('F31: connects again at once when a picture was there, then with growing pauses up to ten seconds', () => {
  const pauses = [0, 1, 2, 3, 9].map((failures) => nextStep({ code: null, failures, fromLink: false }, 0));
  expect(pauses).toEqual([0, 500, 1000, 2000, 10_000].map((afterMs) => ({ step: 'retry', afterMs })));
});

it('gives up where trying again can’t help, and only there', () => {
  for (const code of errorCodes) {
    const aboutTickets = ['ticket_unknown', 'ticket_expired', 'ticket_used'].includes(code);
    const { step } = nextStep({ code, failures: 1, fromLink: false }, 0);
    expect([code, step]).toEqual([code, errorTable[code].retryable || aboutTickets ? 'retry' : 'stop']);
  }
});

it('does not spend tickets for ever', () => {
  const ticketUsed = (failures: number): string =>
    nextStep({ code: 'ticket_used', failures, fromLink: false }, 0).step;
  expect([1, 2, 3].map(ticketUsed)).toEqual(['retry', 'retry', 'stop']);
});

it('never tries a link’s ticket twice', () => {
  for (const code of [null, ...errorCodes])
    expect(nextStep({ code, failures: 0, fromLink: true }, 0)).toEqual({ step: 'stop' });
});
