import type { UserId, VmId } from '@hearth/contract';
import type { Database } from './database.ts';

/** Which CLI VM is whose home. */
export interface CliVmStore {
  get(userId: UserId): Promise<VmId | null>;
  set(userId: UserId, vmId: VmId): Promise<void>;
  /** Those of everybody. */
  all(): Promise<ReadonlyMap<UserId, VmId>>;
}

export function createCliVmStore(db: Database): CliVmStore {
  return {
    get: async (userId) => {
      const row = await db
        .selectFrom('cli_vms')
        .select('vm_id')
        .where('user_id', '=', userId)
        .executeTakeFirst();
      return row?.vm_id ?? null;
    },
    set: async (userId, vmId) => {
      await db
        .insertInto('cli_vms')
        .values({ user_id: userId, vm_id: vmId })
        .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ vm_id: vmId }))
        .execute();
    },
    all: async () => {
      const rows = await db.selectFrom('cli_vms').selectAll().execute();
      return new Map(rows.map(({ user_id: userId, vm_id: vmId }) => [userId, vmId]));
    },
  };
}
