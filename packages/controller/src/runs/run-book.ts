import { HearthError, type RunId, type UserId } from '@hearth/contract';
import type { RunRecord } from '../domain/runs/run-record.ts';
import type { RunStore, RunWrite } from '../store/runs.ts';

/** Compare-and-set loses only against another change of the same run; there are few. */
const MAX_TRIES = 20;

export type RunListener = (run: RunRecord) => void;

/** The runs' records, and the one way in which they change. */
export interface RunBook {
  store: RunStore;
  /**
   * Applies a change to the newest record, again where another one came between, and tells the watchers. `change` gives null
   * where there is nothing to change. Gives the newest record, or null where there is no such run.
   */
  change(id: RunId, change: (run: RunRecord) => RunWrite | null): Promise<RunRecord | null>;
  /** Tells of a run that was just made. */
  publish(run: RunRecord): void;
  /** Tells that a run changed; what changed is read from the store. Gives back what ends it. */
  watch(id: RunId, listener: RunListener): () => void;
  /** The same for all of a person. */
  watchUser(userId: UserId, listener: RunListener): () => void;
}

export function createRunBook(store: RunStore): RunBook {
  const ofRun = new Map<RunId, Set<RunListener>>();
  const ofUser = new Map<UserId, Set<RunListener>>();
  const publish = (run: RunRecord): void => {
    for (const listener of [...(ofRun.get(run.id) ?? []), ...(ofUser.get(run.userId) ?? [])]) listener(run);
  };
  return {
    store,
    publish,
    change: async (id, change) => {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const run = await store.get(id);
        if (run === null) return null;
        const next = change(run);
        if (next === null) return run;
        if (await store.write(next, run.version)) {
          publish(next.run);
          return next.run;
        }
      }
      throw new HearthError('conflict', `${id} changes too often`);
    },
    watch: (id, listener) => subscribe(ofRun, id, listener),
    watchUser: (userId, listener) => subscribe(ofUser, userId, listener),
  };
}

function subscribe<K>(listeners: Map<K, Set<RunListener>>, key: K, listener: RunListener): () => void {
  const set = listeners.get(key) ?? new Set();
  listeners.set(key, set);
  set.add(listener);
  return () => {
    set.delete(listener);
    if (set.size === 0 && listeners.get(key) === set) listeners.delete(key);
  };
}
