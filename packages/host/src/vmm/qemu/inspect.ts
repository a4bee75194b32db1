import { HearthError, parseWith, type Progress } from '@hearth/contract';
import { z } from 'zod';
import type { VmmSight } from '../vmm.ts';
import type { QmpClient } from './qmp.ts';

const statusSchema = z.object({ status: z.string(), running: z.boolean() });
const chardevsSchema = z.array(z.object({ label: z.string(), 'frontend-open': z.boolean() }));

/** `-chardev …,id=control` of the command line: its front end is the guest's virtio port. */
const CONTROL_CHARDEV = 'control';

export async function inspectQemu(qmp: Pick<QmpClient, 'execute'>, progress: Progress): Promise<VmmSight> {
  try {
    const [status, chardevs] = await Promise.all([
      qmp.execute('query-status', {}, progress),
      qmp.execute('query-chardev', {}, progress),
    ]);
    const control = parseWith(chardevsSchema, chardevs, 'vmm_failed', 'query-chardev').find(
      ({ label }) => label === CONTROL_CHARDEV,
    );
    return {
      ...parseWith(statusSchema, status, 'vmm_failed', 'query-status'),
      guestHasControl: control?.['frontend-open'] ?? null,
    };
  } catch (error) {
    if (!(error instanceof HearthError) || error.code !== 'deadline_exceeded') throw error;
    throw new HearthError('vmm_failed', "QEMU's monitor gives no answer", { cause: error });
  }
}
