import { HearthError, type SigninId } from '@hearth/contract';
import type { World } from '../clock.ts';
import { expire, isOverdue, type SigninRecord } from '../domain/signins/signin-record.ts';
import type { SigninStore } from '../store/signins.ts';

const MAX_TRIES = 20;

/** The sign-ins' records, and the one way in which they change. */
export interface SigninBook {
  store: SigninStore;
  /** The record as it is now: one past its time is expired on the way (F24). */
  get(id: SigninId): Promise<SigninRecord | null>;
  /** The same for a record that was just read. */
  current(signin: SigninRecord): Promise<SigninRecord>;
  /** Applies a change to the newest record, again where another one came between; null: nothing to change, or no such sign-in. */
  change(id: SigninId, change: (signin: SigninRecord) => SigninRecord | null): Promise<SigninRecord | null>;
  /** Tells of a change that was written otherwise. */
  publish(signin: SigninRecord): void;
  watch(id: SigninId, listener: (signin: SigninRecord) => void): () => void;
  /** Resolves with the record once `done` holds, or with the newest one at the signal. */
  waitFor(
    signin: SigninRecord,
    done: (signin: SigninRecord) => boolean,
    signal: AbortSignal,
  ): Promise<SigninRecord>;
}

export function createSigninBook(store: SigninStore, world: World): SigninBook {
  const listeners = new Map<SigninId, Set<(signin: SigninRecord) => void>>();
  const publish = (signin: SigninRecord): void => {
    for (const listener of [...(listeners.get(signin.sessionId) ?? [])]) listener(signin);
  };
  const change: SigninBook['change'] = async (id, act) => {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const signin = await store.get(id);
      if (signin === null) return null;
      const next = act(signin);
      if (next === null) return signin;
      if (await store.update(next, signin.version)) {
        publish(next);
        return next;
      }
    }
    throw new HearthError('conflict', `${id} changes too often`);
  };
  const current: SigninBook['current'] = async (signin) => {
    if (!isOverdue(signin, world.now())) return signin;
    const newest = await change(signin.sessionId, (now) =>
      isOverdue(now, world.now()) ? expire(now, world.now()) : null,
    );
    return newest ?? signin;
  };
  const get: SigninBook['get'] = async (id) => {
    const signin = await store.get(id);
    return signin === null ? null : current(signin);
  };
  const watch: SigninBook['watch'] = (id, listener) => {
    const set = listeners.get(id) ?? new Set();
    listeners.set(id, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size === 0 && listeners.get(id) === set) listeners.delete(id);
    };
  };
  return {
    store,
    get,
    current,
    change,
    publish,
    watch,
    waitFor: async (signin, done, signal) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const stop = (): void => resolve(undefined);
      const unwatch = watch(signin.sessionId, (next) => {
        if (done(next)) stop();
      });
      signal.addEventListener('abort', stop, { once: true });
      try {
        const newest = await store.get(signin.sessionId);
        if (newest !== null && !done(newest) && !signal.aborted) await promise;
        return (await store.get(signin.sessionId)) ?? signin;
      } finally {
        unwatch();
        signal.removeEventListener('abort', stop);
      }
    },
  };
}
