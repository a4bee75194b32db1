import type { Vm } from '@hearth/contract';
import { formatMoment } from '../design/moment.ts';
import { formatAge } from './age.ts';

const DAY_MS = 86_400_000;
/** So long before a hibernated VM is deleted its owner is warned. */
const WARN_MS = 3 * DAY_MS;

/** What is said of a VM that sleeps; null of one that doesn't. */
export function hibernationWords(
  { hibernatedAt, deletesAt }: Pick<Vm, 'hibernatedAt' | 'deletesAt'>,
  nowMs: number,
): { text: string; warning: string | null } | null {
  if (hibernatedAt === null) return null;
  const since = `Hibernated since ${formatMoment(hibernatedAt)}`;
  if (deletesAt === null) return { text: `${since}.`, warning: null };
  const text = `${since}; will be deleted on ${formatMoment(deletesAt)} unless you resume it.`;
  const leftMs = Date.parse(deletesAt) - nowMs;
  if (leftMs > WARN_MS) return { text, warning: null };
  const nowIso = new Date(nowMs).toISOString();
  // Less than a moment is left: it is next.
  const left = leftMs < 10_000 ? 'at any moment' : `in ${formatAge(nowIso, Date.parse(deletesAt))}`;
  return { text, warning: `Will be deleted ${left}, with all that is on its disk` };
}
