import type { ReactElement } from 'react';

/** Strokes on a field of 24 × 24. */
const paths = {
  sun: 'M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z',
  half: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 8h7.5M12 12h9M12 16h7.5',
  screen: 'M3 5h18v11H3zM9 20h6M12 16v4',
  terminal: 'M4 5h16v14H4zM7.5 9l3 3-3 3M12.5 15h4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
  plus: 'M12 5v14M5 12h14',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  fork: 'M7 20V4M4 7l3-3 3 3M7 15h4a6 6 0 0 0 6-6V4M14 7l3-3 3 3',
  check: 'M5 12.5l5 5 9-11',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6 6 18',
  menu: 'M5 8h14M5 12h14M5 16h14',
  clipboard: 'M8 5H6v15h12V5h-2M9 3h6v4H9z',
  keyboard: 'M3 7h18v10H3zM6.5 10.5h.01M10 10.5h.01M13.5 10.5h.01M17 10.5h.01M8 14h8',
  keys: 'M4 9h7v7H4zM13 9h7v7h-7zM7.5 11.5v2M16.5 11.5v2',
  files: 'M6 3h8l4 4v14H6zM14 3v4h4M12 11v6M9.5 14.5 12 17l2.5-2.5',
  people:
    'M9 11a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 9 11zM3 20c0-4 2.5-6.5 6-6.5s6 2.5 6 6.5M16 11a2.8 2.8 0 1 0-1-5.4M17 14c2.5.5 4 2.6 4 6',
  full: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  gauge: 'M4 17a8.5 8.5 0 1 1 16 0M12 15l4-5',
  fit: 'M3 5h18v14H3zM8 12H6m2 0H6m2-2-2 2 2 2M16 12h2m-2-2 2 2-2 2M9 12h6',
  refresh: 'M19 12a7 7 0 1 1-2-5M19 3v4.5h-4.5',
  plug: 'M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4',
  run: 'M7 4.5v15l12-7.5z',
  key: 'M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 12 20 3M16.5 6.5 19 9',
  out: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
  stop: 'M6 6h12v12H6z',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
} as const;

export type IconName = keyof typeof paths;

/** Decoration beside words, or inside a button that has a name. */
export function Icon({ name }: { name: IconName }): ReactElement {
  return (
    <svg
      className="icon"
      viewBox="0 0 24 24"
      width="20"
      height="20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** Hearth's flame. */
export function Flame({ size = 24 }: { size?: number }): ReactElement {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <path fill="#c9571f" d="M16 2c1 6 9 9 9 18a9 9 0 0 1-18 0c0-4 2-6 4-8 0 3 1 4 3 5 0-6-1-10 2-15z" />
      <path fill="#ffc27a" d="M16 17c3 3 4 5 4 7a4 4 0 0 1-8 0c0-2 2-4 4-7z" />
    </svg>
  );
}
