/** X11 keysyms and the codes of physical keys that go with them (UI Events KeyboardEvent code). */
export interface Key {
  keysym: number;
  code: string;
}

export const keys = {
  Backspace: { keysym: 0xff08, code: 'Backspace' },
  Tab: { keysym: 0xff09, code: 'Tab' },
  Enter: { keysym: 0xff0d, code: 'Enter' },
  Escape: { keysym: 0xff1b, code: 'Escape' },
  Delete: { keysym: 0xffff, code: 'Delete' },
  Home: { keysym: 0xff50, code: 'Home' },
  End: { keysym: 0xff57, code: 'End' },
  PageUp: { keysym: 0xff55, code: 'PageUp' },
  PageDown: { keysym: 0xff56, code: 'PageDown' },
  Left: { keysym: 0xff51, code: 'ArrowLeft' },
  Up: { keysym: 0xff52, code: 'ArrowUp' },
  Right: { keysym: 0xff53, code: 'ArrowRight' },
  Down: { keysym: 0xff54, code: 'ArrowDown' },
  F5: { keysym: 0xffc2, code: 'F5' },
  F11: { keysym: 0xffc8, code: 'F11' },
  Shift: { keysym: 0xffe1, code: 'ShiftLeft' },
  ShiftRight: { keysym: 0xffe2, code: 'ShiftRight' },
  Control: { keysym: 0xffe3, code: 'ControlLeft' },
  ControlRight: { keysym: 0xffe4, code: 'ControlRight' },
  Alt: { keysym: 0xffe9, code: 'AltLeft' },
  AltRight: { keysym: 0xffea, code: 'AltRight' },
  Super: { keysym: 0xffeb, code: 'MetaLeft' },
} as const satisfies Record<string, Key>;

/** The keysym of a character: Latin-1 as it is, all else by the Unicode rule of the X11 protocol, appendix A. */
export function keysymOf(character: string): number {
  if (character === '\n' || character === '\r') return keys.Enter.keysym;
  if (character === '\t') return keys.Tab.keysym;
  const point = character.codePointAt(0) ?? 0;
  return (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff) ? point : 0x01000000 | point;
}
