import type { ReactElement } from 'react';
import { keys, type Key } from './keysyms.ts';
import { stickyKeys, type StickyKey, type StickyState } from './sticky-keys.ts';
import type { Sticky } from './use-sticky-keys.ts';

/** What browsers and systems keep for themselves. */
const chords: readonly (readonly [string, readonly Key[]])[] = [
  ['Ctrl+Alt+Del', [keys.Control, keys.Alt, keys.Delete]],
  ['Ctrl+Alt+T', [keys.Control, keys.Alt, { keysym: 0x74, code: 'KeyT' }]],
  ['Ctrl+W', [keys.Control, { keysym: 0x77, code: 'KeyW' }]],
  ['Ctrl+T', [keys.Control, { keysym: 0x74, code: 'KeyT' }]],
  ['Alt+F4', [keys.Alt, { keysym: 0xffc1, code: 'F4' }]],
  ['Alt+Tab', [keys.Alt, keys.Tab]],
  ['Esc', [keys.Escape]],
  ['Tab', [keys.Tab]],
  ['F5', [keys.F5]],
  ['F11', [keys.F11]],
  ['Home', [keys.Home]],
  ['End', [keys.End]],
  ['Page ↑', [keys.PageUp]],
  ['Page ↓', [keys.PageDown]],
  ['Del', [keys.Delete]],
  ['←', [keys.Left]],
  ['↑', [keys.Up]],
  ['↓', [keys.Down]],
  ['→', [keys.Right]],
];

const stickyWords: Readonly<Record<StickyKey, string>> = {
  Control: 'Ctrl',
  Alt: 'Alt',
  Shift: 'Shift',
  Super: 'Super',
};
const stateWords: Readonly<Record<StickyState, string>> = {
  up: '',
  once: 'for the next key',
  held: 'held',
};

export interface KeysPanelProps {
  sticky: Sticky;
  onChord: (chord: readonly Key[]) => void;
  disabled: boolean;
}

export function KeysPanel({ sticky, onChord, disabled }: KeysPanelProps): ReactElement {
  return (
    <>
      {disabled ? <p className="notice warn small">You are watching: keys don’t reach the desktop.</p> : null}
      <div className="key-grid" role="group" aria-label="Keys to hold">
        {stickyKeys.map((key) => (
          <button
            key={key}
            type="button"
            className={`button slim sticky ${sticky.held[key]}`}
            aria-pressed={sticky.held[key] !== 'up'}
            disabled={disabled}
            onClick={() => sticky.press(key)}
          >
            {stickyWords[key]}
            <span className="hidden-text"> {stateWords[sticky.held[key]]}</span>
          </button>
        ))}
      </div>
      <p className="muted small">
        Press once: held for the next key. Press twice: held until the third press.
      </p>
      <div className="key-grid" role="group" aria-label="Keys to send">
        {chords.map(([label, chord]) => (
          <button
            key={label}
            type="button"
            className="button slim"
            disabled={disabled}
            onClick={() => onChord(chord)}
          >
            {label}
          </button>
        ))}
      </div>
      <p className="muted small">
        <kbd>Ctrl</kbd>+<kbd>Alt</kbd>+<kbd>Shift</kbd> brings your keyboard out of the desktop to the bar;{' '}
        <kbd>Esc</kbd> there brings it back.
      </p>
    </>
  );
}
