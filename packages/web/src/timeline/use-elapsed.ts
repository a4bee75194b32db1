import { useRef } from 'react';

/** Milliseconds since a start that goes on, by the server's clock; never less than shown before, unless it is another start. */
export function useElapsed(startedAt: string, nowMs: number): number {
  const shown = useRef({ startedAt, elapsedMs: 0 });
  if (shown.current.startedAt !== startedAt) shown.current = { startedAt, elapsedMs: 0 };
  shown.current.elapsedMs = Math.max(shown.current.elapsedMs, nowMs - Date.parse(startedAt));
  return shown.current.elapsedMs;
}
