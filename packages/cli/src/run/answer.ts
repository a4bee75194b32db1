import type { Provider, RunEvent } from '@hearth/contract';

/** Longest line of the tool that is kept; its answers come in pieces, far below this. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;
const KEPT_STDERR_CHARACTERS = 600;

export interface Answer {
  onStdout: (bytes: Uint8Array) => void;
  onStderr: (bytes: Uint8Array) => void;
  /** The tool has ended: reads what is left of its last line. */
  end(): void;
  summary(): { text: string; needsLogin: string | undefined; error: string | undefined; stderrTail: string };
}

/** Turns the bytes of a tool's event stream into run events, as they come. */
export function makeAnswer(
  provider: Pick<Provider, 'readEvent'>,
  { onEvent }: { onEvent: (event: RunEvent) => void },
): Answer {
  const stdout = new TextDecoder();
  const stderr = new TextDecoder();
  let rest = '';
  let text = '';
  let needsLogin: string | undefined;
  let error: string | undefined;
  let stderrTail = '';
  const readLine = (line: string): void => {
    for (const event of provider.readEvent(line)) {
      // A tool may say it once as an event and once in its result.
      if (event.type === 'needs_login' && needsLogin !== undefined) continue;
      if (event.type === 'text') text = (text + event.text).slice(-1000);
      if (event.type === 'needs_login') needsLogin = event.message;
      if (event.type === 'error') error = event.message;
      onEvent(event);
    }
  };
  const take = (piece: string): void => {
    const lines = (rest + piece).split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) if (line.trim() !== '') readLine(line);
  };
  return {
    onStdout: (bytes) => take(stdout.decode(bytes, { stream: true })),
    onStderr: (bytes) => {
      stderrTail = (stderrTail + stderr.decode(bytes, { stream: true })).slice(-KEPT_STDERR_CHARACTERS);
    },
    end: () => {
      take(`${stdout.decode()}\n`);
    },
    summary: () => ({ text, needsLogin, error, stderrTail: stderrTail.trim() }),
  };
}
