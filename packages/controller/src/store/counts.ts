import type { RunState, SigninState, VmKind, VmState } from '@hearth/contract';
import type { Database } from './database.ts';

export interface VmCount {
  kind: VmKind;
  state: VmState;
  /** In the warm pool: nobody's. */
  warm: boolean;
  /** `why` found something wrong with it. */
  found: boolean;
  count: number;
}

/** How many there are of each, without reading them. */
export interface CountStore {
  vms(): Promise<VmCount[]>;
  runs(): Promise<{ state: RunState; count: number }[]>;
  signins(): Promise<{ state: SigninState; count: number }[]>;
}

export function createCountStore(db: Database): CountStore {
  return {
    vms: async () => {
      const rows = await db
        .selectFrom('vms')
        .select(({ fn, eb }) => [
          'kind',
          'state',
          eb('user_id', 'is', null).as('warm'),
          eb('finding', 'is not', null).as('found'),
          fn.countAll<number | string>().as('count'),
        ])
        .groupBy(['kind', 'state', 'warm', 'found'])
        .execute();
      // SQLite has no booleans, PostgreSQL gives counts as text.
      return rows.map(({ kind, state, warm, found, count }) => ({
        ...{ kind, state, warm: Boolean(warm), found: Boolean(found), count: Number(count) },
      }));
    },
    runs: async () => {
      const rows = await db
        .selectFrom('runs')
        .select(({ fn }) => ['state', fn.countAll<number | string>().as('count')])
        .groupBy('state')
        .execute();
      return rows.map(({ state, count }) => ({ state, count: Number(count) }));
    },
    signins: async () => {
      const rows = await db
        .selectFrom('signins')
        .select(({ fn }) => ['state', fn.countAll<number | string>().as('count')])
        .groupBy('state')
        .execute();
      return rows.map(({ state, count }) => ({ state, count: Number(count) }));
    },
  };
}
