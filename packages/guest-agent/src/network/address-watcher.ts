import type { GuestAddress, Log } from '@hearth/contract';
import { describeError } from '../log.ts';

export interface AddressWatcherOptions {
  /** The interface that Hearth's network is on. */
  interfaceName: string;
  read: () => Promise<GuestAddress[]>;
  /** Told of the first address and of every change. */
  onChange: (address: GuestAddress) => void;
  log: Log;
  searchMs?: number;
  watchMs?: number;
}

export interface AddressWatcher {
  /** null until the interface has had an address. */
  current(): GuestAddress | null;
  stop(): void;
}

const SEARCH_MS = 100;
const WATCH_MS = 2000;
/** A network without a gateway is possible: the search for one ends after so many looks. */
const GATEWAY_LOOKS = 50;

/**
 * Looks what DHCP gave the interface; it never configures anything (F1: one source of configuration).
 * Polling, because Node has no netlink: fast until address and route are there, slowly from then on.
 */
export function watchAddress({
  interfaceName,
  read,
  onChange,
  log,
  searchMs = SEARCH_MS,
  watchMs = WATCH_MS,
}: AddressWatcherOptions): AddressWatcher {
  let current: GuestAddress | null = null;
  let seen = '';
  let looks = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let lastError = '';

  const look = async (): Promise<void> => {
    try {
      const address = (await read()).find((one) => one.interface === interfaceName);
      if (stopped) return;
      const text = JSON.stringify(address);
      // Before the first address there is nothing to tell; the loss of one is a change.
      if (address !== undefined && text !== seen && (address.ip !== null || current !== null)) {
        seen = text;
        current = address;
        looks = 0;
        onChange(address);
      }
      lastError = '';
    } catch (error) {
      const message = describeError(error);
      if (message !== lastError) log('addresses could not be read', { error: message });
      lastError = message;
    }
    looks++;
    const complete =
      current !== null && current.ip !== null && (current.gateway !== null || looks > GATEWAY_LOOKS);
    timer = setTimeout(() => void look(), complete ? watchMs : searchMs);
  };
  void look();

  return {
    current: () => current,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
