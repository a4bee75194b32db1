/** Cuts the bytes of one output where lines end; what a line has beyond its longest length is dropped. */
export interface LineCutter {
  /** The lines that are whole now, each with its end; null where there is none. It may share memory with the chunk. */
  push(chunk: Buffer): Buffer | null;
  /** The last line, where it had no end, with one. */
  end(): Buffer | null;
}

const NEWLINE = 0x0a;
const END = Buffer.from([NEWLINE]);

/** @param maxBytes of a line; a chunk has no longer one */
export function createLineCutter(maxBytes: number): LineCutter {
  let parts: Buffer[] = [];
  let held = 0;
  const hold = (part: Buffer): void => {
    const kept = part.subarray(0, maxBytes - held);
    if (kept.length === 0) return;
    parts.push(kept);
    held += kept.length;
  };
  const take = (): Buffer[] => {
    const line = parts;
    parts = [];
    held = 0;
    return line;
  };
  return {
    push: (chunk) => {
      const last = chunk.lastIndexOf(NEWLINE);
      if (last === -1) {
        hold(chunk);
        return null;
      }
      const whole = chunk.subarray(0, last + 1);
      const rest = chunk.subarray(last + 1);
      if (held === 0) {
        hold(rest);
        return whole;
      }
      const first = whole.indexOf(NEWLINE);
      hold(whole.subarray(0, first));
      const lines = Buffer.concat([...take(), whole.subarray(first)]);
      hold(rest);
      return lines;
    },
    end: () => (held === 0 ? null : Buffer.concat([...take(), END])),
  };
}

export function countLines(lines: Buffer): number {
  let count = 0;
  for (let at = lines.indexOf(NEWLINE); at !== -1; at = lines.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}
