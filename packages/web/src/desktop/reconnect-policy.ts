import { errorTable, type ErrorCode } from '@hearth/contract';
import { backoffMs } from '../api/backoff.ts';

export type NextStep = { step: 'retry'; afterMs: number } | { step: 'stop' };

/** A new ticket helps against these; they are not about the desktop. */
const ABOUT_TICKETS: ReadonlySet<ErrorCode> = new Set(['ticket_unknown', 'ticket_expired', 'ticket_used']);
/** A ticket that is fresh and refused all the same, so often in a row, won't get better. */
const MAX_TICKET_FAILURES = 3;

/**
 * What to do when a connection ended or couldn't be made.
 * @param code null: it broke off without a word of ours (the network, a restart)
 * @param failures tries in a row that led to no picture, this one included; 0 after a connection that worked
 * @param fromLink the ticket came with the address: there is no other
 * @param random from 0 up to 1
 */
export function nextStep(
  { code, failures, fromLink }: { code: ErrorCode | null; failures: number; fromLink: boolean },
  random: number,
): NextStep {
  if (fromLink) return { step: 'stop' };
  if (code !== null && ABOUT_TICKETS.has(code) && failures >= MAX_TICKET_FAILURES) return { step: 'stop' };
  if (code !== null && !ABOUT_TICKETS.has(code) && !errorTable[code].retryable) return { step: 'stop' };
  return { step: 'retry', afterMs: failures === 0 ? 0 : backoffMs(failures, random) };
}
