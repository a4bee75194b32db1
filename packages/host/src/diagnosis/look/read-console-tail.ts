import { open } from 'node:fs/promises';
import type { ConsoleFiles } from '../../console/console-capture.ts';
import { readConsoleSigns, type ConsoleLine, type ConsoleSigns } from './console-signs.ts';

/** Enough for what a guest says when it fails; a guest that floods its console is not followed further back. */
const TAIL_BYTES = 64 * 1024;

/**
 * What the end of a console tells.
 * @param sinceMs lines that were seen before belong to an earlier start
 * @returns null where the console's file is gone
 */
export async function lookAtConsole(
  { logPath, indexPath }: ConsoleFiles,
  sinceMs: number,
): Promise<ConsoleSigns | null> {
  const tail = await readTail(logPath);
  if (tail === null) return null;
  const index = await readTail(indexPath);
  const lines = datedLines(tail, parseIndex(index?.bytes.toString('latin1') ?? ''));
  return readConsoleSigns(lines.filter(({ atMs }) => atMs === null || atMs >= sinceMs));
}

interface Tail {
  /** Where it begins in the file. */
  offset: number;
  bytes: Buffer;
}

async function readTail(path: string): Promise<Tail | null> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const offset = Math.max(0, size - TAIL_BYTES);
      const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      return { offset, bytes: buffer.subarray(0, bytesRead) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

interface Seen {
  offset: number;
  atMs: number;
}

function parseIndex(text: string): Seen[] {
  return text.split('\n').flatMap((line) => {
    const [, offset, atMs] = /^(\d+) (\d+) \d+$/.exec(line) ?? [];
    return offset === undefined ? [] : [{ offset: Number(offset), atMs: Number(atMs) }];
  });
}

/** The index says from which byte on text was seen when; both go forward. */
function datedLines({ offset, bytes }: Tail, index: readonly Seen[]): ConsoleLine[] {
  const lines: ConsoleLine[] = [];
  let next = 0;
  let atMs: number | null = null;
  for (let start = 0; start < bytes.length;) {
    for (let seen = index[next]; seen !== undefined && seen.offset <= offset + start; seen = index[++next])
      ({ atMs } = seen);
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    lines.push({ text: bytes.subarray(start, end).toString('utf8'), atMs });
    start = end + 1;
  }
  return lines;
}
