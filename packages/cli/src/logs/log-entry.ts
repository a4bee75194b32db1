import { isPlainObject, parseObject } from './parse-object.ts';

export const logParts = ['controller', 'host', 'guest'] as const;
export type LogPart = (typeof logParts)[number];
/** From the least to the most serious. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];

/** One line of any of the logs. What a guest wrote of itself is its word only: part, VM and time are the host's. */
export interface LogEntry {
  /** Epoch milliseconds, by the host's clock. */
  atMs: number;
  part: LogPart;
  level: LogLevel;
  message: string;
  requestId: string | undefined;
  vmId: string | undefined;
  /** All that the line holds, for programs. */
  line: Readonly<Record<string, unknown>>;
}

/** Told in columns of their own, or of no interest to a reader. */
const ownColumns = new Set(['time', 'level', 'part', 'msg', 'message', 'pid', 'hostname', 'hearth', 'v']);

/** A line of a daemon's log. `lastMs` dates one that is not JSON: what Node itself says when it crashes. */
export function parseDaemonLine(text: string, part: 'controller' | 'host', lastMs: number): LogEntry {
  const line = parseObject(text);
  if (line === null) return bare(text, part, lastMs);
  const time = typeof line.time === 'string' ? Date.parse(line.time) : Number.NaN;
  return {
    atMs: Number.isNaN(time) ? lastMs : time,
    part,
    level: levelOf(line.level),
    message: messageOf(line, 'msg'),
    requestId: textOf(line.requestId),
    vmId: textOf(line.vmId),
    line,
  };
}

const bare = (text: string, part: LogPart, atMs: number): LogEntry => ({
  ...{ atMs, part, level: 'error', message: text, requestId: undefined, vmId: undefined },
  line: { level: 'error', time: new Date(atMs).toISOString(), part, msg: text },
});

/** A line that the guest's agent printed on the console; null for what is none: the kernel's lines, programs' words. */
export function parseGuestLine(text: string, vmId: string, atMs: number): LogEntry | null {
  // systemd puts `[   12.345678] hearth-agent[321]: ` before it.
  const start = text.indexOf('{"time":');
  if (start === -1) return null;
  const line = parseObject(text.slice(start).trimEnd());
  if (line === null || typeof line.message !== 'string') return null;
  return {
    atMs,
    part: 'guest',
    level: levelOf(line.level),
    message: line.message,
    requestId: textOf(line.requestId),
    vmId,
    line: { ...line, part: 'guest', vmId, hostTime: new Date(atMs).toISOString() },
  };
}

/** The guest's own time of a line; NaN where it gives none. */
export const guestTimeMs = ({ line }: LogEntry): number =>
  typeof line.time === 'string' ? Date.parse(line.time) : Number.NaN;

/** What else a line holds, as `key=value`; an error by its message, nothing twice. */
export function fieldsOf({ line, part }: LogEntry): string[] {
  return Object.entries(line).flatMap(([key, value]) => {
    if (ownColumns.has(key) || value === undefined || value === null || key === 'hostTime') return [];
    if (part === 'guest' && key === 'part') return [];
    return [`${key}=${show(value)}`];
  });
}

function show(value: unknown): string {
  if (isPlainObject(value)) {
    // An error, or a problem.
    const words = value.detail ?? value.message;
    if (typeof words === 'string') return JSON.stringify(words);
  }
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

function levelOf(level: unknown): LogLevel {
  // pino's numbers: 10, 20 … 60.
  if (typeof level === 'number')
    return logLevels[Math.min(6, Math.max(1, Math.floor(level / 10))) - 1] ?? 'info';
  return logLevels.find((name) => name === level) ?? 'info';
}

function messageOf(line: Readonly<Record<string, unknown>>, key: string): string {
  const message = textOf(line[key]);
  if (message !== undefined) return message;
  const { problem } = line;
  return isPlainObject(problem) ? (textOf(problem.detail) ?? '') : '';
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
