import type { ReactElement } from 'react';

export interface KeyRowProps {
  onKey: (text: string) => void;
  /** The program wants the other codes for its arrows. */
  applicationCursor: () => boolean;
}

/** Name and code; an arrow has its letter only. */
const keys = [
  ['Esc', '\u001b'],
  ['Tab', '\t'],
  ['Shift+Tab', '\u001b[Z'],
  ['Ctrl+C', '\u0003'],
  ['Ctrl+D', '\u0004'],
  ['Ctrl+R', '\u0012'],
] as const;
const arrows = [
  ['←', 'Left', 'D'],
  ['↓', 'Down', 'B'],
  ['↑', 'Up', 'A'],
  ['→', 'Right', 'C'],
] as const;

/** Keys that a phone's keyboard lacks. */
export function KeyRow({ onKey, applicationCursor }: KeyRowProps): ReactElement {
  return (
    <div className="key-row" role="group" aria-label="Keys">
      {keys.map(([name, text]) => (
        // A press that took the focus would fold the phone's keyboard.
        <button
          key={name}
          type="button"
          className="button slim"
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onKey(text)}
        >
          {name}
        </button>
      ))}
      {arrows.map(([sign, name, letter]) => (
        <button
          key={name}
          type="button"
          className="button slim"
          aria-label={name}
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onKey(`\u001b${applicationCursor() ? 'O' : '['}${letter}`)}
        >
          {sign}
        </button>
      ))}
    </div>
  );
}
