/** Work that runs one at a time: of calls that come while it runs, one more run comes of it. */
export interface Coalesced {
  run(): Promise<void>;
  /** Resolves when no run is under way. */
  settled(): Promise<void>;
}

/** @param work must not throw */
export function coalesce(work: () => Promise<void>): Coalesced {
  let running: Promise<void> | null = null;
  let again = false;
  const runOnce = async (): Promise<void> => {
    do {
      again = false;
      await work();
      // `again` is set by calls that came meanwhile.
    } while (again as boolean);
  };
  return {
    run: () => {
      if (running !== null) {
        again = true;
        return running;
      }
      running = runOnce().finally(() => {
        running = null;
      });
      return running;
    },
    settled: async () => {
      await running;
    },
  };
}
