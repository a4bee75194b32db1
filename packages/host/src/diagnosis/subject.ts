import type { HearthError, ImageManifest, Progress, Secret } from '@hearth/contract';
import type { AgentEndpoint } from '../guest-link/agent-client.ts';
import type { VmRecord } from '../journal/vm-records.ts';
import type { RunningVmm } from '../vmm/vmm.ts';
import type { GuestWords } from '../vms/readiness.ts';
import type { VmPaths } from '../vms/vm-paths.ts';

/** What the life of a VM knows of it, for whoever asks why it can't be reached. */
export interface DiagnosisSubject {
  record: VmRecord;
  paths: VmPaths;
  /** null: no image was chosen for it, or that one is gone. */
  manifest: ImageManifest | null;
  /** null: none runs that we know of. */
  vmm: RunningVmm | null;
  /** Booked address and token of this boot; null: it has no address. */
  endpoint: AgentEndpoint | null;
  /** Of its VNC server; null: it has no desktop. */
  vncPassword: Secret | null;
  /** What its console or its VMM's end told. */
  lastFault: HearthError | null;
  /** What the guest said on the control channel; null: nobody talks with it. */
  words: GuestWords | null;
  /** The host's end of the control channel is open. */
  controlOpen: boolean;
  /** Asks the guest, by the control channel. Throws control_channel_failed. */
  ask: (message: { type: 'report' } | { type: 'ping' }, progress: Progress) => Promise<unknown>;
}
