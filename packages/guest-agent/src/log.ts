import type { Log } from '@hearth/contract';

/** JSON lines. Callers never pass bodies, environments or tokens. */
export function createLog(write: (line: string) => void, now: () => number = Date.now): Log {
  return (message, fields) => {
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), message, ...fields })}\n`);
  };
}

export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
