import { addressSchema, vmIdSchema } from '@hearth/contract';
import { z } from 'zod';
import type { AddressRow, AddressStore } from '../network/address-book.ts';
import type { HostDatabase } from './database.ts';

const rowSchema = addressSchema.extend({ vmId: vmIdSchema, freedOrder: z.number().int().nullable() });

/** The address book on the host's journal. */
export function createAddressStore(database: HostDatabase): AddressStore {
  const select = database.prepare('SELECT row FROM addresses');
  const upsert = database.prepare(
    'INSERT INTO addresses (vm_id, row) VALUES (?, ?) ON CONFLICT (vm_id) DO UPDATE SET row = excluded.row',
  );
  const erase = database.prepare('DELETE FROM addresses WHERE vm_id = ?');
  return {
    load: () =>
      select
        .all()
        .map((found): AddressRow =>
          rowSchema.parse(JSON.parse(z.object({ row: z.string() }).parse(found).row)),
        ),
    put: (row) => {
      upsert.run(row.vmId, JSON.stringify(row));
    },
    delete: (vmId) => {
      erase.run(vmId);
    },
  };
}
