/** Resolves after the time, or at once when the browser is online again or the page is looked at again, or on abort. */
export function pauseUnlessWoken(timeMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const woken = new AbortController();
  const wake = (): void => resolve(undefined);
  const timer = setTimeout(wake, timeMs);
  window.addEventListener('online', wake, { signal: woken.signal });
  document.addEventListener(
    'visibilitychange',
    () => {
      if (document.visibilityState === 'visible') wake();
    },
    { signal: woken.signal },
  );
  signal.addEventListener('abort', wake, { signal: woken.signal });
  return promise.finally(() => {
    clearTimeout(timer);
    woken.abort();
  });
}

/** Resolves once the page is looked at, or on abort. */
export function untilVisible(signal: AbortSignal): Promise<void> {
  if (signal.aborted || document.visibilityState === 'visible') return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const seen = new AbortController();
  document.addEventListener('visibilitychange', () => resolve(undefined), { signal: seen.signal });
  signal.addEventListener('abort', () => resolve(undefined), { signal: seen.signal });
  return promise.finally(() => seen.abort());
}
