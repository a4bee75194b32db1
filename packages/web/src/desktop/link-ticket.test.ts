import { expect, it } from 'vitest';
import { socketPath, ticketOfFragment } from './link-ticket.ts';

it('finds the ticket in a fragment, and nothing where there is none', () => {
  expect(ticketOfFragment('#ticket=a-b_c%2F')).toBe('a-b_c/');
  expect(ticketOfFragment('#x=1&ticket=t')).toBe('t');
  for (const fragment of ['', '#', '#ticket=', '#other=1']) expect(ticketOfFragment(fragment)).toBeNull();
});

it('keeps ids and tickets in their places', () => {
  expect(socketPath('../../me', 'a&b=c#')).toBe('/api/vms/..%2F..%2Fme/desktop/rfb?ticket=a%26b%3Dc%23');
});
