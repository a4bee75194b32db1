import { terminalLimits, type TerminalSize } from '@hearth/contract';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { onThemeChange, terminalTheme } from './terminal-theme.ts';

export interface ScreenEvents {
  /** Typed, pasted, or of the mouse. */
  onInput: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** The place has room for this size. */
  onRoom: (size: TerminalSize) => void;
  /** The browser did not let a copy be made. */
  onCopyRefused: () => void;
}

export interface Screen {
  xterm: Terminal;
  /** Room of its place now. */
  room: () => TerminalSize | null;
  dispose: () => void;
}

const FONT_PX = 14;

/** xterm.js in a place of the page, in its colours and as large as its room. */
export function makeScreen(place: HTMLElement, events: ScreenEvents): Screen {
  const xterm = new Terminal({
    theme: terminalTheme(),
    fontFamily: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, monospace",
    fontSize: FONT_PX,
    scrollback: terminalLimits.scrollbackLines,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    macOptionIsMeta: true,
    minimumContrastRatio: 4.5,
    screenReaderMode: false,
  });
  const fit = new FitAddon();
  xterm.loadAddon(fit);
  xterm.open(place);
  xterm.textarea?.setAttribute('aria-label', 'Terminal; Ctrl+Alt+Shift leads out of it');
  takeShortcuts(xterm, events);
  const encoder = new TextEncoder();
  xterm.onData((text) => events.onInput(encoder.encode(text)));
  // Old mouse reports are bytes, not text.
  xterm.onBinary((text) => events.onInput(Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff)));
  const room = (): TerminalSize | null => {
    const size = fit.proposeDimensions();
    // Without layout there is no size.
    if (size === undefined || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return null;
    return { cols: Math.min(1000, Math.max(2, size.cols)), rows: Math.min(500, Math.max(1, size.rows)) };
  };
  const observer = new ResizeObserver(() => {
    const size = room();
    if (size !== null) events.onRoom(size);
  });
  observer.observe(place);
  const stopWatching = onThemeChange(() => (xterm.options.theme = terminalTheme()));
  return {
    xterm,
    room,
    dispose: () => {
      observer.disconnect();
      stopWatching();
      xterm.dispose();
    },
  };
}

/** Ctrl+Shift+C copies, and Ctrl+C where something is selected; what pastes elsewhere pastes here. */
function takeShortcuts(xterm: Terminal, events: ScreenEvents): void {
  xterm.attachCustomKeyEventHandler((event) => {
    const { type, ctrlKey, metaKey, altKey, shiftKey } = event;
    const key = event.key.toLowerCase();
    if (type !== 'keydown' || !(ctrlKey || metaKey) || altKey) return true;
    // The browser's own paste follows.
    if (key === 'v') return false;
    if (key !== 'c' || !(shiftKey || metaKey || xterm.hasSelection())) return true;
    event.preventDefault();
    if (xterm.hasSelection())
      navigator.clipboard
        .writeText(xterm.getSelection())
        .then(() => xterm.clearSelection(), events.onCopyRefused);
    return false;
  });
}
