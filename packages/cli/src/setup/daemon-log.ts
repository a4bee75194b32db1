import { open, stat } from 'node:fs/promises';
import { fromProblem, problemSchema, type HearthError } from '@hearth/contract';
import { z } from 'zod';

/** As much of a log's end as is looked through for a cause. */
const TAIL_BYTES = 64 * 1024;

/** A line of pino's; levels as names or as its numbers. */
const lineSchema = z.looseObject({
  level: z.union([z.string(), z.number()]),
  msg: z.string().optional(),
  problem: problemSchema.optional().catch(undefined),
});

export interface LogLine {
  level: string;
  message: string;
  problem: HearthError | undefined;
}

const levelNames: Record<number, string> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** A line of a daemon's log; what is not JSON (a crash of Node itself) counts as an error. */
export function parseLogLine(line: string): LogLine {
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    // Not ours to judge: it is shown as it is.
    return { level: 'error', message: line, problem: undefined };
  }
  const parsed = lineSchema.safeParse(data);
  if (!parsed.success) return { level: 'error', message: line, problem: undefined };
  const { level, msg = '', problem } = parsed.data;
  return {
    level: typeof level === 'number' ? (levelNames[level] ?? 'info') : level,
    message: msg,
    problem: problem === undefined ? undefined : fromProblem(problem),
  };
}

export async function logSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** What was appended since an offset, at most its last part, in whole lines. */
export async function readLogSince(
  path: string,
  offset: number,
): Promise<{ lines: string[]; offset: number }> {
  const size = await logSize(path);
  if (size <= offset) return { lines: [], offset: Math.min(size, offset) };
  const from = Math.max(offset, size - TAIL_BYTES);
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    const lines = buffer
      .subarray(0, end)
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    return { lines, offset: from + end };
  } finally {
    await file.close();
  }
}
