const moment = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});

/** Day and time in this browser's zone: `23 Nov 2026, 20:05`. */
export const formatMoment = (iso: string): string => moment.format(new Date(iso));
