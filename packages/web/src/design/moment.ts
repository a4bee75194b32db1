const fields = {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
} as const;
const minute = new Intl.DateTimeFormat('en-GB', fields);
const second = new Intl.DateTimeFormat('en-GB', { ...fields, second: '2-digit' });

/** Day and time in this browser's zone: `23 Nov 2026, 20:05`. */
export const formatMoment = (iso: string): string => minute.format(new Date(iso));

/** `23 Nov 2026, 20:05:07` */
export const formatSecond = (iso: string): string => second.format(new Date(iso));
