import { styleText } from 'node:util';

export interface Paint {
  bold: (text: string) => string;
  dim: (text: string) => string;
  good: (text: string) => string;
  bad: (text: string) => string;
  warn: (text: string) => string;
  accent: (text: string) => string;
}

/** What a command says, and to whom: results on standard output, everything else on standard error. */
export interface Output {
  /** One JSON value a line instead of words. */
  readonly json: boolean;
  /** A person looks at standard error: progress may move and questions may be asked. */
  readonly live: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
  readonly paint: Paint;
  /** A line of the result. */
  line: (text?: string) => void;
  /** The result for programs. */
  value: (value: unknown) => void;
  /** A remark for people: silent with --json. */
  note: (text: string) => void;
  /** Bytes of a result as they are. */
  bytes: (bytes: Uint8Array | string) => void;
  /** Text on standard error as it is, without a newline of its own. */
  raw: (text: string) => void;
}

type Style = Parameters<typeof styleText>[0];

export function makePaint(enabled: boolean): Paint {
  const style =
    (format: Style) =>
    (text: string): string =>
      enabled ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: style('bold'),
    dim: style('dim'),
    good: style('green'),
    bad: style('red'),
    warn: style('yellow'),
    accent: style('cyan'),
  };
}

export interface OutputOptions {
  json: boolean;
  noColor: boolean;
  stdout?: NodeJS.WriteStream;
  stderr?: NodeJS.WriteStream;
}

export function makeOutput({
  json,
  noColor,
  stdout = process.stdout,
  stderr = process.stderr,
}: OutputOptions): Output {
  // isTTY is missing, not false, on what is no terminal.
  const terminal = (stream: NodeJS.WriteStream): boolean => (stream.isTTY as boolean | undefined) === true;
  const paint = makePaint(terminal(stdout) && terminal(stderr) && !noColor && !json);
  return {
    json,
    live: terminal(stderr) && !json,
    get columns() {
      return terminal(stdout) ? stdout.columns : 100;
    },
    paint,
    line: (text = '') => {
      stdout.write(`${text}\n`);
    },
    value: (value) => {
      stdout.write(`${JSON.stringify(value)}\n`);
    },
    note: (text) => {
      if (!json) stderr.write(`${text}\n`);
    },
    bytes: (bytes) => {
      stdout.write(bytes);
    },
    raw: (text) => {
      stderr.write(text);
    },
  };
}
