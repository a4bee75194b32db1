import type { VmRecord } from './vm-record.ts';

const MINUTE_MS = 60_000;

/** May a policy hibernate it, if nothing of it is in use? */
export const mayRest = ({ kind, state, userId }: VmRecord): boolean =>
  kind === 'cli' && state === 'ready' && userId !== null;

/** Was a VM, which nothing of uses now, not used for so long that it is to be hibernated? `afterMinutes` 0: never. */
export function isIdle(vm: VmRecord, afterMinutes: number, now: Date): boolean {
  const { readyAt, lastUsedAt } = vm;
  if (afterMinutes === 0 || !mayRest(vm) || readyAt === null) return false;
  // Whoever resumed it means to use it.
  const sinceMs = Math.max(Date.parse(readyAt), lastUsedAt === null ? 0 : Date.parse(lastUsedAt));
  return now.getTime() - sinceMs >= afterMinutes * MINUTE_MS;
}

/** Is its time over? */
export const isPastKeeping = ({ state, deletesAt }: VmRecord, now: Date): boolean =>
  state === 'hibernated' && deletesAt !== null && Date.parse(deletesAt) <= now.getTime();

/** A hibernated VM that is kept for good: it must not announce its end. Gives null where it doesn't. */
export const withoutEnd = (vm: VmRecord): VmRecord | null =>
  vm.state !== 'hibernated' || vm.deletesAt === null
    ? null
    : { ...vm, version: vm.version + 1, deletesAt: null };
