import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 100;

/** Looks until there is nothing left to wait for. @param look null, or what is seen instead */
export async function until(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  look: () => Promise<string | null>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look();
    if (seen === null) return;
    if (performance.now() > endMs)
      throw new Error(`${what}: not within ${Math.round(timeoutMs / 1000)} s: ${seen}`);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}
