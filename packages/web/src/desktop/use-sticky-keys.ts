import { useCallback, useEffect, useRef, useState } from 'react';
import type { DesktopConnection } from './connection.ts';
import { keys } from './keysyms.ts';
import {
  afterKey,
  allUp,
  press,
  releaseAll,
  type StickyChange,
  type StickyKey,
  type StickyKeys,
} from './sticky-keys.ts';

export interface Sticky {
  held: StickyKeys;
  press: (key: StickyKey) => void;
  /** Another key was typed. */
  typed: () => void;
}

/** @param able false: nothing that is held reaches the desktop any more */
export function useStickyKeys(connection: DesktopConnection | null, able: boolean): Sticky {
  const [held, setHeld] = useState(allUp);
  const now = useRef<StickyKeys>(allUp);
  const apply = useCallback(
    ({ keys: next, events }: StickyChange): void => {
      for (const { key, down } of events) connection?.sendKey(keys[key], down);
      if (next === now.current) return;
      now.current = next;
      setHeld(next);
    },
    [connection],
  );
  useEffect(() => {
    if (!able) apply(releaseAll(now.current));
  }, [able, apply]);
  return {
    held,
    press: (key) => apply(press(now.current, key)),
    typed: () => apply(afterKey(now.current)),
  };
}
