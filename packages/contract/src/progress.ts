import { HearthError } from './errors.ts';

/** Writes one line about an operation. Never gets a secret. */
export type Log = (message: string, fields?: Record<string, unknown>) => void;

/**
 * Handed to every operation that takes time: its deadline, the signal that ends it (the deadline passed, or
 * the client went away) and where it says what it does.
 */
export interface Progress {
  readonly signal: AbortSignal;
  /** Monotonic milliseconds (performance.now()) after which the operation must have ended. */
  readonly deadlineMs: number;
  readonly log: Log;
  /** Milliseconds left, never below 0. */
  remainingMs(): number;
  /** Throws the reason if the operation was ended. */
  throwIfAborted(): void;
  /** A part of this operation with a shorter deadline and the same parent signal. */
  child(what: string, timeoutMs: number): Progress;
  /** The operation is over: nobody waits for its deadline. Owed only where there are very many of them. */
  end(): void;
}

export interface ProgressOptions {
  /** What is done, for the message of the deadline, e.g. `boot of vm-…`. */
  what: string;
  timeoutMs: number;
  signal?: AbortSignal;
  log?: Log;
  now?: () => number;
}

/** A function of its own: its timer lives as long as the deadline, and must not keep alive what the operation worked on. */
function abortAfter(own: AbortController, timeoutMs: number, what: string): () => void {
  // setTimeout takes 31 bits; a longer deadline is none.
  if (timeoutMs >= 2 ** 31) return () => undefined;
  const timer = setTimeout(() => {
    own.abort(
      new HearthError('deadline_exceeded', `${what} did not end within ${(timeoutMs / 1000).toFixed(1)} s`),
    );
  }, timeoutMs);
  keepNothingAlive(timer);
  return () => clearTimeout(timer);
}

/** Starts an operation. Its timer doesn't keep the process alive. */
export function startProgress({
  what,
  timeoutMs,
  signal,
  log,
  now = () => performance.now(),
}: ProgressOptions): Progress {
  const deadlineMs = now() + timeoutMs;
  const own = new AbortController();
  const forget = abortAfter(own, timeoutMs, what);
  const merged = signal === undefined ? own.signal : AbortSignal.any([own.signal, signal]);
  const write: Log = log ?? (() => undefined);
  return {
    signal: merged,
    deadlineMs,
    log: write,
    end: forget,
    remainingMs: () => Math.max(0, deadlineMs - now()),
    throwIfAborted: () => {
      if (merged.aborted) throw abortReason(merged);
    },
    child: (part, partTimeoutMs) =>
      startProgress({
        what: part,
        timeoutMs: Math.min(partTimeoutMs, deadlineMs - now()),
        signal: merged,
        log: write,
        now,
      }),
  };
}

/** The reason of an abort as one of our errors: the deadline's own, else `aborted`. */
export function abortReason(signal: AbortSignal): HearthError {
  if (signal.reason instanceof HearthError) return signal.reason;
  return new HearthError(
    'aborted',
    signal.reason instanceof Error ? signal.reason.message : 'the caller went away',
    { cause: signal.reason },
  );
}

/** Resolves when the promise does, rejects with the abort's reason if the signal comes first. */
export async function withAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw abortReason(signal);
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(abortReason(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits, unless the signal comes first. For back-off between tries, never instead of an event. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    await withAbort(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}

/** A browser's timer is a number, and keeps nothing alive anyway. */
function keepNothingAlive(timer: number | { unref(): unknown }): void {
  if (typeof timer !== 'number') timer.unref();
}
