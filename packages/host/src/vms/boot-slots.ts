import { withAbort, type Progress } from '@hearth/contract';

/** Lets a few starts run at once; the rest wait. The queues take turns, so that one person's many keep nobody else from starting. */
export interface BootSlots {
  /**
   * Resolves with the function that gives the slot back.
   * @param queue whose turn it takes: first come, first served within one, round robin over all that wait
   */
  take(progress: Progress, queue?: string): Promise<() => void>;
  readonly running: number;
  readonly waiting: number;
}

export function createBootSlots(max: number): BootSlots {
  let running = 0;
  /** In the order of their turns; none is empty. */
  const queues = new Map<string, (() => void)[]>();

  const next = (): void => {
    const [turn] = queues;
    if (turn === undefined) {
      running -= 1;
      return;
    }
    const [queue, [wake, ...others]] = turn;
    queues.delete(queue);
    // Behind the others, who come first now.
    if (others.length > 0) queues.set(queue, others);
    wake?.();
  };
  /** false: it is not waiting any more. */
  const leave = (queue: string, wake: () => void): boolean => {
    const waiting = queues.get(queue) ?? [];
    const index = waiting.indexOf(wake);
    if (index === -1) return false;
    waiting.splice(index, 1);
    if (waiting.length === 0) queues.delete(queue);
    return true;
  };

  return {
    get running() {
      return running;
    },
    get waiting() {
      return [...queues.values()].reduce((sum, { length }) => sum + length, 0);
    },
    take: async (progress, queue = '') => {
      progress.throwIfAborted();
      if (running < max) {
        running += 1;
      } else {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        const wake = (): void => resolve(undefined);
        queues.set(queue, [...(queues.get(queue) ?? []), wake]);
        try {
          await withAbort(promise, progress.signal);
        } catch (error) {
          // Woken and aborted at once: the slot is ours and goes on to the next.
          if (!leave(queue, wake)) next();
          throw error;
        }
      }
      let given = false;
      return () => {
        if (given) return;
        given = true;
        next();
      };
    },
  };
}
