/** A ticket in the fragment of the address (`#ticket=…`), which no server and no log gets to see; null where there is none. */
export function ticketOfFragment(fragment: string): string | null {
  const ticket = new URLSearchParams(fragment.replace(/^#/, '')).get('ticket');
  return ticket === null || ticket === '' ? null : ticket;
}

/** Path of the WebSocket for a ticket that came alone. */
export const socketPath = (vmId: string, ticket: string): string =>
  `/api/vms/${encodeURIComponent(vmId)}/desktop/rfb?ticket=${encodeURIComponent(ticket)}`;
