import { abortReason, asHearthError, pause, withAbort, type ImageId, type Log } from '@hearth/contract';
import type { GoldenCatalogue } from './golden-catalogue.ts';
import type { WantedSnapshot } from './make-golden.ts';

/** Until the second try; twice as long with each further one. */
const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 3600_000;

export interface KeeperOptions {
  /** What is to be there, in the order in which it is made. */
  wanted: readonly WantedSnapshot[];
  goldens: Pick<GoldenCatalogue, 'has'>;
  currentImage: () => Promise<{ id: ImageId }>;
  /** Resolves once no VM boots and there is memory for it; `note` says what it waits for. */
  quiet: (wanted: WantedSnapshot, note: (text: string) => void, signal: AbortSignal) => Promise<void>;
  make: (
    imageId: ImageId,
    wanted: WantedSnapshot,
    onStage: (stage: string) => void,
    signal: AbortSignal,
  ) => Promise<void>;
  /** After one was made. */
  cleanUp: () => Promise<void>;
  now: () => number;
  log: Log;
}

/** Sees to it that a golden snapshot of each kind is there, in the background. */
export interface GoldenKeeper {
  /** What is being made or waited for, or why the last try failed; null where nothing is to be made. */
  making(): string | null;
  /** Why the last making failed; null where it didn't. */
  failure(): string | null;
  /** Looks again whether all is there. */
  wake(): void;
  close(): Promise<void>;
}

interface Tries {
  count: number;
  /** Not tried again before (ms since the epoch). */
  nextMs: number;
  failure: string | null;
}

export function startGoldenKeeper(options: KeeperOptions): GoldenKeeper {
  const { wanted, goldens, currentImage, quiet, make, cleanUp, now, log } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const tries = new Map<WantedSnapshot, Tries>();
  let doing: string | null = null;
  let woken = Promise.withResolvers<undefined>();

  /** Returns when it is to be looked at again (ms since the epoch); Infinity: only when woken. */
  const keep = async (one: WantedSnapshot): Promise<number> => {
    const before = tries.get(one) ?? { count: 0, nextMs: 0, failure: null };
    const note = (text: string): void => {
      doing = `${one.kind}: ${text}`;
    };
    const { id } = await currentImage();
    if (await goldens.has({ ...one, imageId: id })) {
      tries.delete(one);
      return Infinity;
    }
    if (now() < before.nextMs) return before.nextMs;
    await quiet(one, note, signal);
    note('begins');
    // A snapshot that is made and refused at once is made anew only as often as one that fails.
    const count = before.count + 1;
    const nextMs = now() + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1));
    tries.set(one, { count, nextMs, failure: null });
    log('making a golden snapshot', { layer: 'snapshot', kind: one.kind, imageId: id });
    await make(id, one, note, signal);
    log('a golden snapshot was made', { layer: 'snapshot', kind: one.kind, imageId: id });
    await cleanUp();
    return nextMs;
  };
  const attempt = async (one: WantedSnapshot): Promise<number> => {
    try {
      return await keep(one);
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      const { code, detail } = asHearthError(error, 'snapshot_failed');
      log('a golden snapshot could not be made', { layer: 'snapshot', kind: one.kind, code, detail });
      const { count, nextMs } = tries.get(one) ?? { count: 0, nextMs: 0 };
      const next = Math.max(nextMs, now() + FIRST_RETRY_MS);
      tries.set(one, { count, nextMs: next, failure: `${one.kind}: ${detail}` });
      return next;
    } finally {
      doing = null;
    }
  };
  const round = async (): Promise<void> => {
    const { promise } = (woken = Promise.withResolvers<undefined>());
    let nextMs = Infinity;
    for (const one of wanted) nextMs = Math.min(nextMs, await attempt(one));
    // One that was made a moment ago is looked at again, should it have been refused meanwhile.
    const waits: Promise<unknown>[] = [withAbort(promise, signal)];
    if (nextMs !== Infinity) waits.push(pause(Math.max(0, nextMs - now()), signal));
    await Promise.race(waits);
  };
  const failure = (): string | null =>
    [...tries.values()].map((one) => one.failure).find((text) => text !== null) ?? null;
  const running = (async () => {
    while (!signal.aborted) await round();
  })().catch((error: unknown) => {
    if (!signal.aborted)
      log('golden snapshots are not made any more', { layer: 'snapshot', error: String(error) });
  });

  return {
    making: () => doing ?? failure(),
    failure,
    wake: () => woken.resolve(undefined),
    close: async () => {
      closing.abort(new Error('the host daemon stops'));
      await running;
    },
  };
}
