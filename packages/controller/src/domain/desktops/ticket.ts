import type { DesktopMode, ErrorCode, ViewerId, VmId } from '@hearth/contract';
import type { Identity } from '../users/identity.ts';

/** Unspent tickets of one user at once: far above what windows and their reconnects need. */
export const MAX_OPEN_TICKETS = 200;
/** Tickets of one user that are remembered at all. */
export const MAX_KNOWN_TICKETS = 1000;
/** A ticket is remembered this long past its time, so that used and expired ones differ from unknown ones. */
export const TICKET_MEMORY_MS = 5 * 60_000;

/** What a ticket lets its holder do. */
export interface TicketGrant {
  vmId: VmId;
  /** Who asked for it: its holder watches in that user's name. */
  identity: Identity;
  viewerId: ViewerId;
  mode: DesktopMode;
  claim: boolean;
}

export interface TicketRecord {
  /** sha256 of the ticket; the ticket itself is never kept. */
  hash: string;
  grant: TicketGrant;
  expiresAtMs: number;
  spent: boolean;
}

/** Why this ticket doesn't open that VM's desktop now; null where it does. */
export function refuseTicket(ticket: TicketRecord | null, vmId: VmId, nowMs: number): ErrorCode | null {
  if (ticket === null) return 'ticket_unknown';
  if (ticket.grant.vmId !== vmId) return 'ticket_foreign';
  if (ticket.spent) return 'ticket_used';
  return ticket.expiresAtMs <= nowMs ? 'ticket_expired' : null;
}
