import { MAX_LINE_BYTES, runLimits, type GuestRunOrder, type Log, type ProviderId } from '@hearth/contract';
import { realpath } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { startCommand, type RunningCommand } from '../exec/command.ts';
import type { LoginUser } from '../exec/login-user.ts';
import type { PipeStore } from '../exec/pipes.ts';
import { describeError } from '../log.ts';
import { openInside, partsOf, writeBelow, type HeldFolder } from './beneath.ts';
import { compareFolder, readFolderState, type FolderState } from './folder-state.ts';
import { createLineCutter } from './line-cutter.ts';
import { openSpool, type Spool } from './spool.ts';

/** What runs need of the credentials in this VM. */
export interface RunCredentials {
  /** Variables of that provider's API key, or of all. */
  environment(provider: ProviderId | null): Record<string, string>;
  /** `end` is called when the credential is taken away; what this gives says that it is used no longer. */
  using(provider: ProviderId, end: () => void): () => void;
}

export interface GuestRunDeps {
  user: LoginUser;
  pipes: PipeStore;
  credentials: RunCredentials;
  /** For what runs say; root's alone. */
  spoolFolder: string;
  randomBytes: (size: number) => Uint8Array;
  log: Log;
  keptBytes?: number;
}

export interface GuestRun {
  spool: Spool;
  /** Its last word is said. Never rejects. */
  ended: Promise<void>;
  /** Ends the whole process group. Without effect once the tool has ended. */
  end(by: 'cancel' | 'timeout'): void;
}

/** A child in the background may keep the outputs open after the tool itself has ended: so long is waited for its last words. */
const LINGER_MS = 1500;

/**
 * Starts a tool: its folder, its files, its process. It goes on without readers.
 * Throws bad_request for a folder or a file outside of the home, exec_failed, disk_full, file_failed; nothing runs then.
 */
export async function startGuestRun(id: string, order: GuestRunOrder, deps: GuestRunDeps): Promise<GuestRun> {
  const { user, pipes, credentials, spoolFolder, randomBytes, log } = deps;
  // All of them before the first effect.
  for (const { path } of order.files) partsOf(path);
  const startedMs = performance.now();
  const prepared = await prepareFolder(order, user, randomBytes);
  const spool = await openSpool(spoolFolder, id, deps.keptBytes ?? runLimits.keptBytes);
  const ending: { by: 'itself' | 'cancel' | 'timeout' } = { by: 'itself' };
  let command: RunningCommand | undefined;
  let over = false;
  const end = (reason: 'cancel' | 'timeout'): void => {
    if (over) return;
    if (ending.by === 'itself') ending.by = reason;
    command?.terminate();
  };
  // Before the environment is read: a key that is taken away in between must not live on in a run.
  const release = credentials.using(order.provider, () => end('cancel'));
  try {
    command = await startCommand(
      {
        ...{ command: order.command, cwd: prepared.path, user: user.name, stdin: order.stdin !== '' },
        env: { ...order.env, ...credentials.environment(order.provider) },
      },
      user,
      pipes,
    );
  } catch (error) {
    release();
    await spool.remove();
    throw error;
  }
  const running = command;
  if (ending.by !== 'itself') running.terminate();
  const timer = setTimeout(() => end('timeout'), order.timeoutMs);

  const lead = async (): Promise<void> => {
    feed(running, order.stdin);
    await drain(running, spool);
    const { exitCode } = await running.exited;
    over = true;
    clearTimeout(timer);
    release();
    // What it left behind in its group ends with it.
    running.terminate();
    await spool.say({
      type: 'exit',
      ...ending,
      exitCode,
      durationMs: Math.round(performance.now() - startedMs),
    });
    await spool.say({ type: 'changes', ...(await changesSince(prepared, user)) });
  };
  const ended = lead()
    .catch((error: unknown) => {
      log('a run broke off', { id, error: describeError(error) });
      running.terminate();
      clearTimeout(timer);
      release();
    })
    .finally(() => spool.close());
  return { spool, ended, end };
}

interface PreparedFolder {
  path: string;
  before: FolderState;
  isHome: boolean;
}

async function prepareFolder(
  { cwd, files }: GuestRunOrder,
  user: LoginUser,
  randomBytes: GuestRunDeps['randomBytes'],
): Promise<PreparedFolder> {
  const folder = await openInside(user.home, cwd, user, true);
  try {
    for (const { path, contentBase64 } of files)
      await writeBelow(folder, path, Buffer.from(contentBase64, 'base64'), user, randomBytes);
    const isHome = folder.path === (await realpath(user.home));
    return { path: folder.path, isHome, before: await readFolderState(folder, { isHome }) };
  } finally {
    await folder.handle.close();
  }
}

async function changesSince({ path, before, isHome }: PreparedFolder, user: LoginUser) {
  let folder: HeldFolder | null = null;
  try {
    folder = await openInside(user.home, path, user, false);
  } catch {
    // The tool removed it, or put something else there: whatever was in it is gone.
  }
  try {
    return await compareFolder(before, folder, { isHome });
  } finally {
    await folder?.handle.close();
  }
}

function feed({ stdin }: RunningCommand, text: string): void {
  if (stdin === null) return;
  // A tool may read only what it needs, or nothing.
  stdin.on('error', () => stdin.destroy());
  stdin.end(text);
}

/** Puts both outputs into the spool until they end, at the speed at which the disk takes them. */
async function drain(command: RunningCommand, spool: Spool): Promise<void> {
  const { stdout, stderr } = command;
  let failure: unknown;
  const spooled = (['stdout', 'stderr'] as const).map((stream) => {
    const source = command[stream];
    return copyLines(source, stream, spool).catch((error: unknown) => {
      failure ??= error;
      source.destroy();
    });
  });
  const bothEnded = Promise.allSettled(
    [stdout, stderr].map((source) => finished(source, { writable: false })),
  );
  const timer = Promise.withResolvers<undefined>();
  void command.exited.then(() => setTimeout(() => timer.resolve(undefined), LINGER_MS));
  await Promise.race([bothEnded, timer.promise]);
  stdout.destroy();
  stderr.destroy();
  await Promise.all(spooled);
  if (failure !== undefined) throw failure as Error;
}

async function copyLines(source: Readable, stream: 'stdout' | 'stderr', spool: Spool): Promise<void> {
  const cutter = createLineCutter(MAX_LINE_BYTES);
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const lines = spool.isFull ? chunk : cutter.push(chunk);
      if (lines !== null) await spool.print(stream, lines);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  const last = cutter.end();
  if (last !== null) await spool.print(stream, last);
}
