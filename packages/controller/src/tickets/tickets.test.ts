import { HearthError, type TerminalId, type UserId, type ViewerId, type VmId } from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  MAX_KNOWN_TICKETS,
  MAX_OPEN_TICKETS,
  TICKET_MEMORY_MS,
  type TicketGrant,
} from '../domain/tickets/ticket.ts';
import { createTicketMemory, createTickets, type Tickets } from './tickets.ts';

const VM = 'vm-000000000000' as VmId;
const OTHER = 'vm-000000000001' as VmId;
const grant = (user = 'ana'): TicketGrant => ({
  kind: 'desktop',
  vmId: VM,
  identity: { userId: `usr-${user}` as UserId, name: user, role: 'user', via: 'token' },
  viewerId: 'vw-000000000000' as ViewerId,
  mode: 'view',
  claim: true,
});

let nowMs: number;
let stored: string[];
let tickets: Tickets;
beforeEach(() => {
  nowMs = 0;
  stored = [];
  const memory = createTicketMemory();
  const store = {
    ...memory,
    add: (...args: Parameters<typeof memory.add>) => {
      stored.push(JSON.stringify(args));
      return memory.add(...args);
    },
  };
  tickets = createTickets(store, { now: () => new Date(nowMs), randomBytes });
});
const refusal = async (ticket: string, vmId = VM): Promise<string> => {
  const error: unknown = await tickets
    .spend(ticket, { kind: 'desktop', vmId })
    .catch((reason: unknown) => reason);
  return error instanceof HearthError ? error.code : 'not refused';
};

describe('F41: a ticket', () => {
  it('opens one desktop once, and is kept as a hash only', async () => {
    const { ticket, expiresAt } = await tickets.issue(grant());
    expect(ticket).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(expiresAt).toBe('1970-01-01T00:00:30.000Z');
    expect(stored.join('')).not.toContain(ticket);
    expect(await refusal(ticket, OTHER)).toBe('ticket_foreign');
    expect(await tickets.spend(ticket, { kind: 'desktop', vmId: VM })).toEqual(grant());
    expect(await refusal(ticket)).toBe('ticket_used');
    expect(await refusal(`${ticket}x`)).toBe('ticket_unknown');
    expect(await refusal('')).toBe('ticket_unknown');
  });

  it('is for one terminal, and for no desktop; that of a desktop is for no terminal', async () => {
    const terminalId = 'trm-000000000000' as TerminalId;
    const terminal: TicketGrant = {
      ...{ kind: 'terminal', vmId: VM, terminalId },
      identity: grant().identity,
    };
    const { ticket } = await tickets.issue(terminal);
    expect(await refusal(ticket)).toBe('ticket_foreign');
    const use = { kind: 'terminal', vmId: VM, terminalId } as const;
    const other = { ...use, terminalId: 'trm-000000000001' as TerminalId };
    await expect(tickets.spend(ticket, other)).rejects.toMatchObject({ code: 'ticket_foreign' });
    const { ticket: desktop } = await tickets.issue(grant());
    await expect(tickets.spend(desktop, use)).rejects.toMatchObject({ code: 'ticket_foreign' });
    expect(await tickets.spend(ticket, use)).toEqual(terminal);
  });

  it('is used by one of two who come at the same time', async () => {
    const { ticket } = await tickets.issue(grant());
    const outcomes = await Promise.all([refusal(ticket), refusal(ticket)]);
    expect(outcomes.toSorted()).toEqual(['not refused', 'ticket_used']);
  });

  it('ends after 30 seconds, says so for some minutes, and is forgotten then', async () => {
    const [used, unused] = [await tickets.issue(grant()), await tickets.issue(grant())];
    await tickets.spend(used.ticket, { kind: 'desktop', vmId: VM });
    nowMs = 30_000;
    expect(await refusal(unused.ticket)).toBe('ticket_expired');
    expect(await refusal(used.ticket)).toBe('ticket_used');
    nowMs += TICKET_MEMORY_MS;
    await tickets.issue(grant());
    expect(await refusal(unused.ticket)).toBe('ticket_unknown');
    expect(await refusal(used.ticket)).toBe('ticket_unknown');
  });

  it('is one of a bounded number: of open ones, and of those remembered', async () => {
    for (let count = 0; count < MAX_OPEN_TICKETS; count += 1) await tickets.issue(grant());
    await expect(tickets.issue(grant())).rejects.toMatchObject({ code: 'rate_limited' });
    const { ticket: others } = await tickets.issue(grant('bob'));
    nowMs = 30_000;
    const { ticket: first } = await tickets.issue(grant('eve'));
    await tickets.spend(first, { kind: 'desktop', vmId: VM });
    for (let count = 1; count < MAX_KNOWN_TICKETS; count += 1)
      await tickets.spend((await tickets.issue(grant('eve'))).ticket, { kind: 'desktop', vmId: VM });
    expect(await refusal(first)).toBe('ticket_used');
    await tickets.issue(grant('eve'));
    expect(await refusal(first)).toBe('ticket_unknown');
    expect(await refusal(others)).toBe('ticket_expired');
  });
});
