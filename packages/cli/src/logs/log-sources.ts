import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError, vmIdSchema, type Config } from '@hearth/contract';
import { places } from '../setup/places.ts';
import { guestTimeMs, parseDaemonLine, parseGuestLine, type LogEntry, type LogPart } from './log-entry.ts';
import { readLines } from './read-lines.ts';

/** One log, whose entries come by time. */
export interface LogSource {
  part: LogPart;
  /** All that is there; the next call gives what came since. */
  read(): AsyncGenerator<LogEntry>;
}

/** Epoch milliseconds of a file's last change; null where there is none. Throws forbidden where this user may not look. */
async function changedMs(path: string): Promise<{ size: number; atMs: number } | null> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { size, atMs: mtimeMs };
  } catch (error) {
    return orMissing(error, path);
  }
}

function orMissing(error: unknown, path: string): null {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return null;
  if (code === 'EACCES' || code === 'EPERM')
    throw new HearthError('forbidden', `${path} can’t be read by this user`, {
      cause: error,
      hint: 'Run this as root: logs and consoles hold what people did in their VMs.',
    });
  throw error;
}

/** A daemon's log, with the part that was cut off before. */
export function daemonSource(path: string, part: 'controller' | 'host'): LogSource {
  let from: number | null = null;
  let lastMs = 0;
  const parse = (text: string): LogEntry[] => {
    if (text.trim() === '') return [];
    const entry = parseDaemonLine(text, part, lastMs);
    lastMs = Math.max(lastMs, entry.atMs);
    return [entry];
  };
  return {
    part,
    read: async function* () {
      if (from === null && (await changedMs(`${path}.1`)) !== null)
        for await (const { text } of readOrRefuse(`${path}.1`, { wholeFile: true })) yield* parse(text);
      const now = await changedMs(path);
      if (now === null) return;
      // It was cut since: begin anew.
      if (from !== null && now.size < from) from = 0;
      const lines = readOrRefuse(path, { from: from ?? 0 });
      for (let next = await lines.next(); ; next = await lines.next()) {
        if (next.done === true) {
          from = next.value;
          return;
        }
        yield* parse(next.value.text);
      }
    },
  };
}

async function* readOrRefuse(
  path: string,
  options: Parameters<typeof readLines>[1],
): ReturnType<typeof readLines> {
  try {
    return yield* readLines(path, options);
  } catch (error) {
    orMissing(error, path);
    return 0;
  }
}

/** The host daemon dates what comes on a console at once. */
const DATED_WITHIN_MS = 5000;

interface IndexEntry {
  offset: number;
  atMs: number;
}

/** `console.index` of the host: `<offset> <epoch ms> <bytes>`, what came when. */
function parseIndex(text: string): { entries: IndexEntry[]; end: number } {
  const entries: IndexEntry[] = [];
  let end = 0;
  for (const line of text.split('\n')) {
    const [offset, atMs, bytes] = line.split(' ').map(Number);
    if (offset === undefined || atMs === undefined || bytes === undefined || Number.isNaN(bytes)) continue;
    entries.push({ offset, atMs });
    end = offset + bytes;
  }
  return { entries, end };
}

/** What a guest's agent printed on its console, dated by the host: a guest's clock may be off, or lie. */
export function consoleSource(folder: string, vmId: string): LogSource {
  const log = join(folder, 'console.log');
  const earlier = join(folder, 'console.earlier.log');
  let from: number | null = null;
  return {
    part: 'guest',
    read: async function* () {
      const now = await changedMs(log);
      if (now === null) return;
      const { entries, end } = parseIndex(await readIndex(join(folder, 'console.index')));
      if (from === null && (await changedMs(earlier)) !== null)
        yield* readUndated(earlier, vmId, entries[0]?.atMs ?? now.atMs);
      if (from !== null && now.size < from) from = 0;
      let at = 0;
      // What the host has not dated yet waits, unless nobody dates it any more.
      const isDated = Date.now() - now.atMs < DATED_WITHIN_MS;
      const lines = readOrRefuse(log, { from: from ?? 0, end: isDated ? end : now.size });
      for (let next = await lines.next(); ; next = await lines.next()) {
        if (next.done === true) {
          from = next.value;
          return;
        }
        const { offset, text } = next.value;
        while ((entries[at + 1]?.offset ?? Number.POSITIVE_INFINITY) <= offset) at += 1;
        const atMs = offset < end ? (entries[at]?.atMs ?? now.atMs) : now.atMs;
        const entry = parseGuestLine(text, vmId, atMs);
        if (entry !== null) yield entry;
      }
    },
  };
}

/** Its times were cut away with it: the guest's own ones, as far as they can be. */
async function* readUndated(path: string, vmId: string, latestMs: number): AsyncGenerator<LogEntry> {
  let atMs = 0;
  for await (const { text } of readOrRefuse(path, { wholeFile: true })) {
    const entry = parseGuestLine(text, vmId, atMs);
    if (entry === null) continue;
    const told = guestTimeMs(entry);
    atMs = Math.min(latestMs, Math.max(atMs, Number.isNaN(told) ? atMs : told));
    yield { ...entry, atMs, line: { ...entry.line, hostTime: null } };
  }
}

async function readIndex(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    orMissing(error, path);
    return '';
  }
}

export interface WantedSources {
  /** Only that VM's console. */
  vmId?: string | undefined;
  /** Only that part's. */
  part?: LogPart | undefined;
}

/** Finds the logs of a Hearth; asked again, those that came since. Throws not_found where it never ran, forbidden. */
export function findSources(config: Config, { vmId, part }: WantedSources): () => Promise<LogSource[]> {
  const { logs, hostLog, controllerLog } = places(config);
  const consoles = join(config.stateDir, 'consoles');
  const known = new Map<string, LogSource>();
  const add = (path: string, make: () => LogSource): void => {
    if (!known.has(path)) known.set(path, make());
  };
  return async () => {
    if ((await changedMs(logs)) === null && (await changedMs(consoles)) === null)
      throw new HearthError('not_found', `there are no logs in ${config.stateDir}`, {
        hint: 'Hearth never ran here under this configuration: name its file with --config, or start it with `hearth up`.',
      });
    if (part === undefined || part === 'controller')
      add(controllerLog, () => daemonSource(controllerLog, 'controller'));
    if (part === undefined || part === 'host') add(hostLog, () => daemonSource(hostLog, 'host'));
    if (part === undefined || part === 'guest')
      for (const id of await readFolder(consoles))
        if (vmIdSchema.safeParse(id).success && (vmId === undefined || vmId === id))
          add(join(consoles, id), () => consoleSource(join(consoles, id), id));
    return [...known.values()];
  };
}

async function readFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    orMissing(error, path);
    return [];
  }
}
