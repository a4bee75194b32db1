import type { TerminalSize } from '@hearth/contract';
import type { NativeModules } from './native-modules.ts';

export interface AnsweringTerminalOptions extends TerminalSize {
  modules: NativeModules;
  scrollbackLines: number;
  /** Types the answer to what a program asked its terminal (F32). */
  answer: (bytes: string) => void;
}

/** A terminal without a screen: it keeps what a program drew, and answers as a real one would. */
export interface AnsweringTerminal {
  /** Resolves when it is drawn, and what was asked is answered. */
  write(bytes: Uint8Array): Promise<void>;
  /** Calls once all that was written so far is drawn, and nothing of what is written from here on. */
  whenDrawn(listener: () => void): void;
  resize(size: TerminalSize): void;
  /** Scroll-back and screen as text; a line that was too long for the screen is one again. */
  text(): string;
  /** Scroll-back and screen as the escape sequences that draw them in an empty terminal. */
  screen(): string;
  onTitle(listener: (title: string) => void): void;
  dispose(): void;
}

/** Colours of the desktop's terminal and the page's (OSC 10 and 11 ask for them), 16 bits a channel. */
const COLOURS = { 10: 'rgb:f7f7/efef/e2e2', 11: 'rgb:1d1d/2b2b/3a3a' };

/** The headless xterm answers cursor position and device attributes by itself; colours are asked of what draws it. */
export function createAnsweringTerminal({
  modules: { Terminal, SerializeAddon },
  cols,
  rows,
  scrollbackLines,
  answer,
}: AnsweringTerminalOptions): AnsweringTerminal {
  const terminal = new Terminal({ cols, rows, scrollback: scrollbackLines, allowProposedApi: true });
  const serializer = new SerializeAddon();
  terminal.loadAddon(serializer);
  terminal.onData(answer);
  for (const [code, colour] of Object.entries(COLOURS))
    terminal.parser.registerOscHandler(Number(code), (data) => {
      if (data !== '?') return false;
      answer(`\x1b]${code};${colour}\x1b\\`);
      return true;
    });
  return {
    write: async (bytes) => new Promise((resolve) => terminal.write(bytes, resolve)),
    whenDrawn: (listener) => terminal.write('', listener),
    resize: (size) => terminal.resize(size.cols, size.rows),
    text: () => {
      const { active } = terminal.buffer;
      let text = '';
      for (let at = 0; at < active.length; at++) {
        const line = active.getLine(at);
        if (line === undefined) break;
        const continues = active.getLine(at + 1)?.isWrapped === true;
        // The blanks at the end of a line that continues are its own.
        text += line.translateToString(!continues) + (continues ? '' : '\n');
      }
      return text.trimEnd();
    },
    screen: () => serializer.serialize(),
    onTitle: (listener) => void terminal.onTitleChange(listener),
    dispose: () => terminal.dispose(),
  };
}
