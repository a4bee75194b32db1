import { abortReason, HearthError, withAbort } from '@hearth/contract';
import { startChild } from '../exec/daemon.ts';

/** Time after which a wait is worth a word. */
const SILENT_WAIT_MS = 300;

interface StoreLock {
  release(): Promise<void>;
}

/**
 * Holds the store for one build at a time. The lock is the kernel's (flock), held by a child that dies with this process:
 * there is no stale lock file to judge.
 */
export async function lockStore(path: string, signal: AbortSignal, onWait: () => void): Promise<StoreLock> {
  const { promise: locked, resolve: onLocked, reject: onFailed } = Promise.withResolvers<undefined>();
  const { promise: ended, resolve: onEnded } = Promise.withResolvers<undefined>();
  const holder = startChild(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'flock',
      '--exclusive',
      '--no-fork',
      path,
      'sh',
      '-c',
      'echo locked; exec sleep infinity',
    ],
    (line) => {
      if (line === 'locked') onLocked(undefined);
      else onFailed(new HearthError('image_build_failed', `the image store can't be locked: ${line}`));
    },
  );
  holder.once('error', (cause) =>
    onFailed(
      new HearthError('requirement_missing', 'flock and setpriv (package util-linux) are needed', { cause }),
    ),
  );
  holder.once('exit', (code) => {
    onEnded(undefined);
    onFailed(
      new HearthError(
        'image_build_failed',
        `the lock of the image store was lost (exit code ${code ?? 'none'})`,
      ),
    );
  });
  const release = async (): Promise<void> => {
    holder.kill('SIGKILL');
    await ended;
  };
  const timer = setTimeout(onWait, SILENT_WAIT_MS);
  try {
    await withAbort(locked, signal);
  } catch (error) {
    if (holder.pid !== undefined) await release();
    throw signal.aborted ? abortReason(signal) : error;
  } finally {
    clearTimeout(timer);
  }
  return { release };
}
