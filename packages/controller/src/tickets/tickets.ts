import { HearthError } from '@hearth/contract';
import type { World } from '../clock.ts';
import {
  MAX_KNOWN_TICKETS,
  MAX_OPEN_TICKETS,
  refuseTicket,
  TICKET_LIFETIME_MS,
  TICKET_MEMORY_MS,
  type TicketGrant,
  type TicketRecord,
  type TicketUse,
} from '../domain/tickets/ticket.ts';
import { hashSecret, makeSecret } from '../users/secrets.ts';

/** Where tickets are kept: by their hashes only. */
export interface TicketStore {
  /** Adds a ticket. Throws rate_limited where its user has too many open ones. */
  add(ticket: TicketRecord, nowMs: number): Promise<void>;
  find(hash: string): Promise<TicketRecord | null>;
  /** Compare-and-set: false where it was spent already. */
  spend(hash: string): Promise<boolean>;
}

export interface Tickets {
  issue(grant: TicketGrant): Promise<{ ticket: string; expiresAt: string }>;
  /** Uses a ticket up. Throws ticket_unknown, ticket_foreign, ticket_used or ticket_expired. */
  spend<U extends TicketUse>(ticket: string, use: U): Promise<Extract<TicketGrant, { kind: U['kind'] }>>;
}

export function createTickets(store: TicketStore, { now, randomBytes }: World): Tickets {
  return {
    issue: async (grant) => {
      const ticket = makeSecret(randomBytes);
      const nowMs = now().getTime();
      const expiresAtMs = nowMs + TICKET_LIFETIME_MS;
      await store.add({ hash: hashSecret(ticket), grant, expiresAtMs, spent: false }, nowMs);
      return { ticket, expiresAt: new Date(expiresAtMs).toISOString() };
    },
    spend: async <U extends TicketUse>(ticket: string, use: U) => {
      const { vmId } = use;
      const hash = hashSecret(ticket);
      const found = await store.find(hash);
      const code = refuseTicket(found, use, now().getTime());
      if (found === null || code !== null)
        throw new HearthError(code ?? 'ticket_unknown', 'the connection was not opened', { vmId });
      if (!(await store.spend(hash)))
        throw new HearthError('ticket_used', 'another connection used it', { vmId });
      return found.grant as Extract<TicketGrant, { kind: U['kind'] }>;
    },
  };
}

/** Tickets in memory: they live for seconds, and viewers ask for new ones after a restart. */
export function createTicketMemory(): TicketStore {
  /** In order of their making, and so of their time. */
  const tickets = new Map<string, TicketRecord>();
  const forgetOld = (nowMs: number): void => {
    for (const { hash, expiresAtMs } of tickets.values()) {
      if (expiresAtMs + TICKET_MEMORY_MS > nowMs) return;
      tickets.delete(hash);
    }
  };
  return {
    add: async (ticket, nowMs) => {
      forgetOld(nowMs);
      const { userId } = ticket.grant.identity;
      const own = [...tickets.values()].filter(({ grant }) => grant.identity.userId === userId);
      const open = own.filter(({ spent, expiresAtMs }) => !spent && expiresAtMs > nowMs);
      if (open.length >= MAX_OPEN_TICKETS)
        throw new HearthError('rate_limited', `${MAX_OPEN_TICKETS} tickets are open and unused`, {
          hint: 'Use them, or wait 30 seconds until they end.',
        });
      // Not the open ones: there are fewer of them than may be known.
      const oldest = own.find((known) => !open.includes(known));
      if (own.length >= MAX_KNOWN_TICKETS && oldest !== undefined) tickets.delete(oldest.hash);
      tickets.set(ticket.hash, ticket);
    },
    find: async (hash) => tickets.get(hash) ?? null,
    spend: async (hash) => {
      const known = tickets.get(hash);
      if (known === undefined || known.spent) return false;
      tickets.set(hash, { ...known, spent: true });
      return true;
    },
  };
}
