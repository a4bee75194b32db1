import { MAX_LINE_BYTES } from '@hearth/contract';

export interface LineSplitter {
  /** Lines that the chunk completed; null stands for one that can't be read (too long, or not UTF-8). */
  push(chunk: Uint8Array): (string | null)[];
  /** Forgets a line that was begun: its writer is gone. */
  reset(): void;
}

const NEWLINE = 0x0a;

/**
 * Splits the control channel's bytes. Unlike the contract's splitLines it survives hostile input: the channel has no
 * way to be hung up on, so what is too long is dropped up to the next newline.
 */
export function createLineSplitter(maxBytes = MAX_LINE_BYTES): LineSplitter {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let tooLong = false;

  const reset = (): void => {
    parts = [];
    bytes = 0;
    tooLong = false;
  };
  const add = (part: Uint8Array): void => {
    if (tooLong || part.length === 0) return;
    if (bytes + part.length > maxBytes) {
      reset();
      tooLong = true;
      return;
    }
    // The caller may use its buffer again.
    parts.push(part.slice());
    bytes += part.length;
  };
  const finish = (): string | null => {
    const line = tooLong ? null : decode(Buffer.concat(parts));
    reset();
    return line;
  };
  const decode = (line: Uint8Array): string | null => {
    try {
      return decoder.decode(line);
    } catch {
      return null;
    }
  };

  return {
    reset,
    push: (chunk) => {
      const lines: (string | null)[] = [];
      let from = 0;
      let end = chunk.indexOf(NEWLINE);
      while (end !== -1) {
        add(chunk.subarray(from, end));
        lines.push(finish());
        from = end + 1;
        end = chunk.indexOf(NEWLINE, from);
      }
      add(chunk.subarray(from));
      return lines;
    },
  };
}
