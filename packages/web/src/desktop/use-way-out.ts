import { useEffect, useRef } from 'react';

const MODIFIERS: ReadonlySet<string> = new Set(['Control', 'Alt', 'Shift']);

/** Ctrl+Alt+Shift, in any order, brings the keyboard out of the desktop: everything else belongs to it. */
export function useWayOut(onWayOut: () => void): void {
  const latest = useRef(onWayOut);
  latest.current = onWayOut;
  useEffect(() => {
    const watch = (event: KeyboardEvent): void => {
      if (event.repeat || !MODIFIERS.has(event.key)) return;
      if (!event.ctrlKey || !event.altKey || !event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      latest.current();
    };
    window.addEventListener('keydown', watch, { capture: true });
    return () => window.removeEventListener('keydown', watch, { capture: true });
  }, []);
}
