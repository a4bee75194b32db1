/** A link that signs a browser in: long enough to move it from a terminal to a browser. */
export const SIGNIN_LINK_MS = 15 * 60_000;
/** A signed-in browser: one working day. */
export const SESSION_MS = 12 * 3_600_000;
/** An Idempotency-Key is remembered this long. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;

export const DAY_MS = 24 * 3_600_000;

export const isExpired = (expiresAt: string | null, now: Date): boolean =>
  expiresAt !== null && Date.parse(expiresAt) <= now.getTime();

export const later = (now: Date, ms: number): string => new Date(now.getTime() + ms).toISOString();
