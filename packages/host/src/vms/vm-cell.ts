import type { BootPhase, HeldCredential, HostVm } from '@hearth/contract';
import { isDeepStrictEqual } from 'node:util';
import { viewOf, type VmRecord, type VmRecords } from '../journal/vm-records.ts';

/** The record of one VM, and the one way in which it changes: durable before it is told. */
export class VmCell {
  readonly #records: VmRecords;
  readonly #now: () => number;
  readonly #emit: (view: HostVm) => void;
  #record: VmRecord;

  constructor(
    record: VmRecord,
    { records, now }: { records: VmRecords; now: () => number },
    emit: (view: HostVm) => void,
  ) {
    this.#record = record;
    this.#records = records;
    this.#now = now;
    this.#emit = emit;
  }

  get record(): VmRecord {
    return this.#record;
  }

  view(): HostVm {
    return viewOf(this.#record);
  }

  change(part: Partial<VmRecord>): void {
    this.#record = { ...this.#record, ...part, version: this.#record.version + 1 };
    this.save();
    this.#emit(this.view());
  }

  /** Notes the first time that a phase of this start is reached. */
  mark(phase: BootPhase, also: Partial<VmRecord> = {}): void {
    if (this.#record.phases.some((mark) => mark.phase === phase)) return;
    const atMs = Math.max(0, this.#now() - this.#record.requestedAtMs);
    this.change({ ...also, phases: [...this.#record.phases, { phase, atMs }] });
  }

  /** What the guest says that it holds. */
  holdCredentials(credentials: HeldCredential[]): void {
    if (isDeepStrictEqual(this.#record.credentials, credentials)) return;
    this.change({ credentials, ...(credentials.length > 0 ? { heldSecret: true } : {}) });
  }

  /** From here on a person may have left something in it. Nobody is told. */
  markUsed(): void {
    if (this.#record.used) return;
    this.#record = { ...this.#record, used: true };
    this.save();
  }

  /** Writes the record down without announcing a change. */
  save(): void {
    this.#records.put(this.#record);
  }

  remove(): void {
    this.#records.remove(this.#record.id);
  }
}
