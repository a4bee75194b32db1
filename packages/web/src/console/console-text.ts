/** The last lines of a console; it can be endless. */
export interface ConsoleText {
  lines: readonly string[];
  /** What stands behind the last line break. */
  open: string;
  /** Lines that were let go of at the beginning. */
  dropped: number;
}

export const MAX_LINES = 5000;
/** A line without end is cut there, so that memory stays bounded. */
export const MAX_LINE_LENGTH = 4096;

export const emptyConsole: ConsoleText = { lines: [], open: '', dropped: 0 };

/** Terminals are told colours and cursor moves by control characters. */
const CONTROLS =
  /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[()][A-Z0-9]|\u001b[=>78c]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** What a line shows: without colours; what was overwritten from its beginning is gone. */
function visible(line: string): string {
  const text = line.replace(/\r+$/, '');
  return text.slice(text.lastIndexOf('\r') + 1).replace(CONTROLS, '');
}

export function appendText(console: ConsoleText, chunk: string): ConsoleText {
  const parts = (console.open + chunk).split('\n');
  const open = (parts.pop() ?? '').slice(-MAX_LINE_LENGTH);
  if (parts.length === 0) return { ...console, open };
  const lines = [...console.lines, ...parts.map((line) => visible(line.slice(0, MAX_LINE_LENGTH)))];
  const surplus = Math.max(0, lines.length - MAX_LINES);
  return { lines: surplus === 0 ? lines : lines.slice(surplus), open, dropped: console.dropped + surplus };
}

/** All of it as text, the open line included. */
export const consoleAsText = ({ lines, open }: ConsoleText): string =>
  [...lines, ...(open === '' ? [] : [visible(open)])].join('\n');
