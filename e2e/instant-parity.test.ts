import { openQemuPlace } from './instant/qemu-place.ts';
import { snapshotParity } from './instant/snapshot-parity.ts';

const STORE = process.env['HEARTH_IMAGE_STORE'] ?? '/var/cache/hearth';

// Every driver of packages/host/src/vmm is here; one without snapshots counts as skipped.
snapshotParity('QEMU', () => openQemuPlace(STORE));
