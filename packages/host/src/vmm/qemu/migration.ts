import { rm } from 'node:fs/promises';
import { asHearthError, HearthError, pause, type Progress } from '@hearth/contract';
import { z } from 'zod';
import type { MemoryFile, SavedState } from '../vmm.ts';
import type { QmpClient } from './qmp.ts';
import { receiveState } from './receive-state.ts';

/** A saved state is given to QEMU as this open file: as an ordinary user it could not open it. */
export const LOAD_DESCRIPTOR = 3;

const POLL_MS = 5;
/** QEMU's own default, 128 MiB/s, is for networks. */
const MAX_BANDWIDTH_BYTES = 2 ** 40;

const migrationSchema = z.object({ status: z.string().optional(), 'error-desc': z.string().optional() });
const statusSchema = z.object({ status: z.string() });

/** Whether the stream leaves out memory that lies in a file shared with QEMU. */
const ignoreShared = (state: boolean): Record<string, unknown> => ({
  capabilities: [{ capability: 'x-ignore-shared', state }],
});

interface Saving {
  memory: MemoryFile | null;
  saveSocketPath: string;
  vmmUser: string | null;
  pid: number;
}

/** Writes the state of a paused VM to a new file. Throws disk_full, snapshot_failed; no file is left then. */
export async function saveState(
  qmp: QmpClient,
  { memory, saveSocketPath, vmmUser, pid }: Saving,
  statePath: string,
  progress: Progress,
): Promise<SavedState> {
  // QEMU's sandbox lets it start no program, and as an ordinary user it opens no file: it sends its state to us.
  const receiving = await receiveState(
    { socketPath: saveSocketPath, user: vmmUser, pid },
    statePath,
    progress,
  );
  try {
    // A clone's memory is private to it, and so is saved with the rest.
    await qmp.execute('migrate-set-capabilities', ignoreShared(memory?.shared === true), progress);
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': MAX_BANDWIDTH_BYTES }, progress);
    await qmp.execute('migrate', { uri: `unix:${saveSocketPath}` }, progress);
    await Promise.race([untilSaved(qmp, progress), receiving.failed]);
    return await receiving.saved;
  } catch (error) {
    receiving.stop();
    // What kept us from writing shows at QEMU's end as a broken pipe only.
    const told = await receiving.saved.then(
      () => error,
      (cause: unknown) => (asHearthError(cause).code === 'disk_full' ? cause : error),
    );
    await rm(statePath, { force: true });
    await qmp.execute('migrate_cancel', {}, progress).catch((cause: unknown) => {
      progress.log('a save under way could not be ended', { error: String(cause) });
    });
    throw told;
  }
}

async function untilSaved(qmp: QmpClient, progress: Progress): Promise<void> {
  for (;;) {
    const state = migrationSchema.parse(await qmp.execute('query-migrate', {}, progress));
    if (state.status === 'completed') return;
    if (state.status === 'failed' || state.status === 'cancelled')
      throw new HearthError(
        'snapshot_failed',
        `QEMU could not save the VM: ${state['error-desc'] ?? state.status}`,
      );
    await pause(POLL_MS, progress.signal);
  }
}

/** Lets a QEMU that waits for it take in a saved state; the VM is paused then. Fails where QEMU refuses it, which ends it. */
export async function loadState(
  qmp: QmpClient,
  memory: MemoryFile | null,
  progress: Progress,
): Promise<void> {
  await qmp.execute('migrate-set-capabilities', ignoreShared(memory !== null), progress);
  // The guest that wakes up gets another address: nobody is to be told of the old one.
  await qmp.execute('migrate-set-parameters', { 'announce-rounds': 0 }, progress);
  await qmp.execute('migrate-incoming', { uri: `fd:${LOAD_DESCRIPTOR}` }, progress);
  for (;;) {
    const { status } = statusSchema.parse(await qmp.execute('query-status', {}, progress));
    if (status !== 'inmigrate') return;
    await pause(POLL_MS, progress.signal);
  }
}
