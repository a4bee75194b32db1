import { errorOf, guestAnswers, valueOf } from '../evidence.ts';
import type { ConsoleLine } from '../look/console-signs.ts';
import { broken, notHad, ok, type Judge } from './judgement.ts';

/** A guest that goes on well for so long after its kernel killed a process is well. */
const RECENT_MS = 10 * 60_000;

const textOf = ({ text, atMs }: ConsoleLine): string =>
  atMs === null ? text : `${new Date(atMs).toISOString()} ${text}`;

export const judgeConsole: Judge<'console'> = (evidence) => {
  const { console, record, lastFault, nowMs } = evidence;
  const signs = valueOf(console);
  // What it was given up for was read from the console as it came; the tail may not have it any more.
  const panicked = [lastFault, record.failure].find((fault) => fault?.code === 'kernel_panic');
  if (signs === undefined || signs === null) {
    if (panicked != null) return broken('kernel_panic', panicked.detail, [panicked.detail]);
    if (signs === null) return broken('console_missing', 'There is no file of it');
    return notHad(errorOf(console), 'It has no console yet');
  }
  const { panic, outOfMemory, emergency, initramfs, agent } = signs;
  const report = valueOf(evidence.report)?.report;
  const seen = [initramfs, emergency, panic, outOfMemory, agent?.line ?? null]
    .filter((line) => line !== null)
    .map(textOf);
  if ((report?.oomKills ?? 0) > 0) seen.push(`the guest's kernel counts ${report?.oomKills ?? 0} OOM kills`);
  const alive = guestAnswers(evidence);
  // Whoever answers has not panicked, whatever somebody printed.
  if (!alive && panic !== null) return broken('kernel_panic', panic.text, seen);
  if (!alive && panicked != null) return broken('kernel_panic', panicked.detail, seen);
  if (!alive && initramfs !== null) return broken('initramfs_failed', initramfs.text, seen);
  if (emergency !== null) return broken('emergency_mode', emergency.text, seen);
  const recent = outOfMemory !== null && nowMs - (outOfMemory.atMs ?? 0) < RECENT_MS;
  if (outOfMemory !== null && (recent || !alive))
    return broken('guest_out_of_memory', outOfMemory.text, seen);
  return ok('It tells of no fault of the guest', seen);
};
