const FIRST_PAUSE_MS = 500;
export const LONGEST_PAUSE_MS = 10_000;

/**
 * Pause before the next try: it doubles up to 10 s, less up to a fifth by chance, so that the pages of a controller that
 * comes back don't all ask at once.
 * @param failures in a row, from 1 on
 * @param random from 0 up to 1
 */
export function backoffMs(failures: number, random: number): number {
  const fullMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
  return Math.round(fullMs * (1 - random / 5));
}
