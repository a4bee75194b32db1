import { HearthError } from '@hearth/contract';

export interface Interrupt {
  /** Ends the stream, and with it the command's process group in the guest. */
  readonly signal: AbortSignal;
  /** Takes the function that sends a signal into the guest. */
  onStarted: (sendSignal: (name: 'SIGINT' | 'SIGTERM') => Promise<void>) => void;
  release: () => void;
}

/**
 * Ctrl-C as in a terminal: the first goes to the command in the guest, which may clean up; a second one,
 * or one before it runs, ends the stream, whereupon the guest ends the whole process group.
 */
export function interruptible(): Interrupt {
  const ended = new AbortController();
  let send: ((name: 'SIGINT' | 'SIGTERM') => Promise<void>) | undefined;
  let count = 0;
  const end = (): void => ended.abort(new HearthError('aborted', 'interrupted'));
  const onSignal = (name: 'SIGINT' | 'SIGTERM') => (): void => {
    count += 1;
    if (send === undefined || count > 1) end();
    else send(name).catch(end);
  };
  const onInterrupt = onSignal('SIGINT');
  const onTerminate = onSignal('SIGTERM');
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  return {
    signal: ended.signal,
    onStarted: (sendSignal) => {
      send = sendSignal;
    },
    release: () => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
    },
  };
}
