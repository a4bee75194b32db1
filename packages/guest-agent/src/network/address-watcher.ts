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
  hurryMs?: number;
  watchMs?: number;
}

export interface AddressWatcher {
  /** null until the interface has had an address. */
  current(): GuestAddress | null;
  /** The card lost its address on purpose: forgets it, and looks often, because the next one is near. */
  restart(): void;
  stop(): void;
}

const SEARCH_MS = 100;
/** A card that comes up in a system that runs has its address within 100 ms. */
const HURRY_MS = 20;
const HURRY_FOR_MS = 3000;
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
  hurryMs = HURRY_MS,
  watchMs = WATCH_MS,
}: AddressWatcherOptions): AddressWatcher {
  let current: GuestAddress | null = null;
  let seen = '';
  let looks = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let lastError = '';
  let hurryUntilMs = -Infinity;
  /** Looks that began before a restart have nothing to tell. */
  let round = 0;

  const look = async (): Promise<void> => {
    const mine = round;
    try {
      const address = (await read()).find((one) => one.interface === interfaceName);
      if (stopped || mine !== round) return;
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
    if (mine !== round) return;
    looks++;
    const complete =
      current !== null && current.ip !== null && (current.gateway !== null || looks > GATEWAY_LOOKS);
    const soonMs = performance.now() < hurryUntilMs ? hurryMs : searchMs;
    timer = setTimeout(() => void look(), complete ? watchMs : soonMs);
  };
  void look();

  return {
    current: () => current,
    restart: () => {
      round++;
      current = null;
      seen = '';
      looks = 0;
      hurryUntilMs = performance.now() + HURRY_FOR_MS;
      clearTimeout(timer);
      void look();
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
