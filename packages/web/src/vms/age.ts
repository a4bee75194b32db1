const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

const plural = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? '' : 's'}`;

/** How long ago something was, in one unit: `just now`, `3 minutes`, `2 days`. */
export function formatAge(fromIso: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(fromIso)) / 1000));
  if (seconds < 10) return 'just now';
  if (seconds < MINUTE_S) return plural(seconds - (seconds % 10), 'second');
  if (seconds < HOUR_S) return plural(Math.floor(seconds / MINUTE_S), 'minute');
  if (seconds < DAY_S) return plural(Math.floor(seconds / HOUR_S), 'hour');
  return plural(Math.floor(seconds / DAY_S), 'day');
}

/** A span for people: `340 ms`, `4.2 s`, `1 min 05 s`. */
export function formatSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
