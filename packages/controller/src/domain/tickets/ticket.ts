import {
  desktopLimits,
  type DesktopMode,
  type ErrorCode,
  type TerminalId,
  type ViewerId,
  type VmId,
} from '@hearth/contract';
import type { Identity } from '../users/identity.ts';

/** Unspent tickets of one user at once: far above what windows and their reconnects need. */
export const MAX_OPEN_TICKETS = 200;
/** Tickets of one user that are remembered at all. */
export const MAX_KNOWN_TICKETS = 1000;
/** A ticket is remembered this long past its time, so that used and expired ones differ from unknown ones. */
export const TICKET_MEMORY_MS = 5 * 60_000;

/** How long a ticket may wait until it is used. */
export const TICKET_LIFETIME_MS = desktopLimits.ticketLifetimeMs;

interface Grant {
  vmId: VmId;
  /** Who asked for it: its holder comes in that user's name. */
  identity: Identity;
}
export interface DesktopGrant extends Grant {
  kind: 'desktop';
  viewerId: ViewerId;
  mode: DesktopMode;
  claim: boolean;
}
export interface TerminalGrant extends Grant {
  kind: 'terminal';
  terminalId: TerminalId;
}
/** What a ticket lets its holder do. */
export type TicketGrant = DesktopGrant | TerminalGrant;

/** What its holder wants to open. */
export type TicketUse =
  Pick<DesktopGrant, 'kind' | 'vmId'> | Pick<TerminalGrant, 'kind' | 'vmId' | 'terminalId'>;

export interface TicketRecord {
  /** sha256 of the ticket; the ticket itself is never kept. */
  hash: string;
  grant: TicketGrant;
  expiresAtMs: number;
  spent: boolean;
}

/** Why this ticket doesn't open that now; null where it does. */
export function refuseTicket(ticket: TicketRecord | null, use: TicketUse, nowMs: number): ErrorCode | null {
  if (ticket === null) return 'ticket_unknown';
  if (!isFor(ticket.grant, use)) return 'ticket_foreign';
  if (ticket.spent) return 'ticket_used';
  return ticket.expiresAtMs <= nowMs ? 'ticket_expired' : null;
}

function isFor(grant: TicketGrant, use: TicketUse): boolean {
  if (grant.vmId !== use.vmId || grant.kind !== use.kind) return false;
  return grant.kind === 'desktop' || use.kind === 'desktop' || grant.terminalId === use.terminalId;
}
