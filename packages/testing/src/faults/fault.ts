import type { VmKind, WhyCause } from '@hearth/contract';
import type { FaultRoom } from './fault-room.ts';

/** One thing that can be wrong with a VM or its host, made on purpose. */
export interface Fault {
  /** e.g. `tap_down`; unique. */
  name: string;
  /** What is done, in one line. */
  title: string;
  kind: VmKind;
  /** What `why` must name. */
  expects: WhyCause;
  /** Puts the fault into {@link FaultRoom.vm} or into what it stands on. */
  inject(room: FaultRoom): Promise<unknown>;
  /** null once it is in effect, else what is seen instead. Asked again and again. */
  awaits(room: FaultRoom): Promise<string | null>;
  /** Takes it away, also where `inject` broke off; null where it goes with the VM. */
  undo: ((room: FaultRoom) => Promise<unknown>) | null;
  /** The VM is thrown away afterwards; else it must be well again by `undo`. */
  spoils: boolean;
}
