import type { VmRecord } from '../domain/vms/vm-record.ts';
import type { VmBook } from './vm-book.ts';

/** Resolves with the record once `done` holds, or with the newest one after the time or at the signal. */
export async function waitForVm(
  book: VmBook,
  vm: VmRecord,
  done: (vm: VmRecord) => boolean,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<VmRecord> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = (): void => resolve(undefined);
  const unsubscribe = book.changes.subscribe(vm.id, (next) => {
    if (next === null || done(next)) stop();
  });
  const timer = setTimeout(stop, timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const newest = await book.store.get(vm.id);
    if (newest !== null && !done(newest) && !signal.aborted) await promise;
    return (await book.store.get(vm.id)) ?? vm;
  } finally {
    clearTimeout(timer);
    unsubscribe();
    signal.removeEventListener('abort', stop);
  }
}
