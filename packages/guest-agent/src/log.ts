import type { Log } from '@hearth/contract';

/** JSON lines, of level `error` where they name one. Callers never pass bodies, environments or tokens. */
export function createLog(write: (line: string) => void, now: () => number = Date.now): Log {
  return (message, fields) => {
    const level = fields?.['error'] === undefined ? 'info' : 'error';
    const line = { time: new Date(now()).toISOString(), level, part: 'guest', message, ...fields };
    write(`${JSON.stringify(line)}\n`);
  };
}

export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
