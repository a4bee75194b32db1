import { watch } from 'node:fs';
import { appendFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import type { Log } from '@hearth/contract';

/**
 * The serial console of one VM. The VMM itself appends to `console.log`, so nothing is lost before the capture starts
 * or while the daemon restarts; the capture notes when each piece came and hands on whole lines.
 * Beside it `console.index`: lines of `<offset> <epoch ms> <bytes>`, the time at which the bytes from that offset on were seen.
 */
export interface ConsoleCapture {
  /** Reads what is left and stops. */
  stop(): Promise<void>;
}

export interface ConsoleFiles {
  logPath: string;
  indexPath: string;
  /** What was cut away when the console grew too large. */
  earlierPath: string;
}

/** A guest that floods its console keeps this much and as much again of earlier text. */
export const MAX_CONSOLE_BYTES = 8 * 1024 * 1024;
const MAX_PART_BYTES = 1024 * 1024;
/** inotify tells of growth at once; looking is for file systems where it doesn't, and is rarer the longer that wasn't needed. */
const FIRST_LOOK_MS = 1000;
const LAST_LOOK_MS = 60_000;

export async function captureConsole(
  files: ConsoleFiles,
  onLine: (line: string) => void,
  log: Log,
): Promise<ConsoleCapture> {
  await appendFile(files.logPath, '', { mode: 0o600 });
  await appendFile(files.indexPath, '', { mode: 0o600 });
  // After a restart of the daemon the lines up to here were handed on already.
  let offset = await indexedBytes(files);
  let rest = '';
  let running: Promise<void> = Promise.resolve();
  let asked = false;
  let stopped = false;

  const readPart = async (bytes: number): Promise<void> => {
    const text = await readPiece(files.logPath, offset, bytes);
    await appendFile(files.indexPath, `${offset} ${Date.now()} ${bytes}\n`);
    offset += bytes;
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) onLine(line);
    if (offset > MAX_CONSOLE_BYTES) {
      await rotate(files);
      offset = 0;
    }
  };

  /** In parts: a guest may have written any amount while no daemon ran. */
  const readNew = async (): Promise<void> => {
    for (;;) {
      const { size } = await stat(files.logPath);
      if (size <= offset) return;
      await readPart(Math.min(size - offset, MAX_PART_BYTES));
    }
  };

  const schedule = (): void => {
    if (asked) return;
    asked = true;
    running = running.then(async () => {
      asked = false;
      await readNew().catch((error: unknown) =>
        log('the console could not be read', { layer: 'console', error: String(error) }),
      );
    });
  };

  const watcher = watch(files.logPath, schedule);
  watcher.on('error', (error) =>
    log('the console is not watched', { layer: 'console', error: error.message }),
  );
  let lookMs = FIRST_LOOK_MS;
  let timer: NodeJS.Timeout;
  const lookAgain = (): void => {
    timer = setTimeout(() => {
      const before = offset;
      const told = asked;
      schedule();
      void running.then(() => {
        if (stopped) return;
        lookMs = offset > before && !told ? FIRST_LOOK_MS : Math.min(2 * lookMs, LAST_LOOK_MS);
        lookAgain();
      });
    }, lookMs);
  };
  lookAgain();
  schedule();
  return {
    stop: async () => {
      stopped = true;
      watcher.close();
      clearTimeout(timer);
      schedule();
      await running;
    },
  };
}

/** The VMM appends (O_APPEND), so a cut to 0 takes effect for it as well. */
async function rotate({ logPath, indexPath, earlierPath }: ConsoleFiles): Promise<void> {
  await writeFile(earlierPath, await readPiece(logPath, 0, MAX_CONSOLE_BYTES), { mode: 0o600 });
  await truncate(logPath, 0);
  await truncate(indexPath, 0);
}

interface IndexEntry {
  offset: number;
  epochMs: number;
  bytes: number;
}

async function readIndex({ indexPath }: ConsoleFiles): Promise<IndexEntry[]> {
  const text = await readFile(indexPath, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [offset = 0, epochMs = 0, bytes = 0] = line.split(' ').map(Number);
      return { offset, epochMs, bytes };
    });
}

async function indexedBytes(files: ConsoleFiles): Promise<number> {
  const last = (await readIndex(files)).at(-1);
  return last === undefined ? 0 : last.offset + last.bytes;
}

export interface ReadConsoleOptions {
  timestamps: boolean;
  /** Goes on as the console grows until the signal ends it or `isOver` says that no more will come. */
  follow: boolean;
  isOver: () => boolean;
  signal: AbortSignal;
}

/** The console as text, in pieces; with `timestamps` each line begins with the ISO time at which its first byte was seen. */
export async function* readConsole(
  files: ConsoleFiles,
  { timestamps, follow, isOver, signal }: ReadConsoleOptions,
): AsyncGenerator<string> {
  const earlier = await readFile(files.earlierPath, 'utf8').catch(() => '');
  if (earlier !== '')
    yield `${earlier}\n[hearth: the console grew over ${MAX_CONSOLE_BYTES} bytes and was cut here]\n`;
  let offset = 0;
  let atLineStart = true;
  for (;;) {
    const over = isOver();
    const entries = (await readIndex(files)).filter((entry) => entry.offset + entry.bytes > offset);
    for (const entry of entries) {
      const text = await readPiece(files.logPath, offset, entry.offset + entry.bytes - offset);
      offset = entry.offset + entry.bytes;
      yield timestamps ? stamp(text, new Date(entry.epochMs), atLineStart) : text;
      atLineStart = text.endsWith('\n');
    }
    if (!follow || signal.aborted || (over && entries.length === 0)) return;
    if (entries.length === 0) await growth(files.indexPath, signal);
    // The file was cut: begin anew.
    if ((await stat(files.logPath)).size < offset) offset = 0;
  }
}

function stamp(text: string, at: Date, atLineStart: boolean): string {
  const prefix = `${at.toISOString()} `;
  const body = text.replace(/\n(?!$)/g, `\n${prefix}`);
  return atLineStart ? prefix + body : body;
}

async function readPiece(path: string, offset: number, bytes: number): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await handle.read(buffer, 0, bytes, offset);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await handle.close();
  }
}

/** Resolves when the file grows, at the latest after FIRST_LOOK_MS. */
async function growth(path: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => resolve(undefined);
  const watcher = watch(path, done);
  watcher.on('error', done);
  const timer = setTimeout(done, FIRST_LOOK_MS);
  signal.addEventListener('abort', done, { once: true });
  try {
    await promise;
  } finally {
    watcher.close();
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
  }
}
