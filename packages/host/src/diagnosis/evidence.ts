import type { AgentHealth, GuestReport, HearthError, VmId, Why } from '@hearth/contract';
import type { VmRecord } from '../journal/vm-records.ts';
import type { NetworkPlan } from '../network/addressing.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { VmmSight } from '../vmm/vmm.ts';
import type { GuestWords } from '../vms/readiness.ts';
import type { ConsoleSigns } from './look/console-signs.ts';
import type { ProcessSight } from './look/look-at-process.ts';
import type { Reach } from './look/reach.ts';

/** What could be had of something, or what kept it from being had. */
export type Had<T> = { value: T } | { error: HearthError };

/** null: it was not looked for, as there is nothing to look at. */
export type Maybe<T> = Had<T> | null;

export const valueOf = <T>(had: Maybe<T>): T | undefined =>
  had !== null && 'value' in had ? had.value : undefined;
export const errorOf = (had: Maybe<unknown>): HearthError | undefined =>
  had !== null && 'error' in had ? had.error : undefined;

export interface ReportSight {
  report: GuestReport;
  /** Epoch milliseconds of the host, before it asked and once it had the answer. */
  askedAtMs: number;
  answeredAtMs: number;
}

/** All that a diagnosis is made from; gathered first, judged then. */
export interface Evidence {
  record: VmRecord;
  trigger: Why['trigger'];
  plan: NetworkPlan;
  nowMs: number;
  /** Further arguments that guests' kernels are given. */
  kernelArguments: readonly string[];
  /** null: it is not known of which image it is. */
  agentVersion: string | null;
  /** All other VMs of the book. */
  others: readonly { vmId: VmId; machineId: string }[];
  stateDir: string;
  lastFault: HearthError | null;
  /** Its value is null where the process is gone. */
  process: Maybe<ProcessSight | null>;
  upperIsThere: Maybe<boolean>;
  freeMiB: Maybe<number>;
  vmm: Maybe<VmmSight>;
  /** Its value is null where there is no file. */
  console: Maybe<ConsoleSigns | null>;
  controlOpen: boolean;
  words: GuestWords | null;
  /** Milliseconds to the answer. */
  ping: Maybe<number>;
  report: Maybe<ReportSight>;
  network: Maybe<NetworkSight>;
  /** TCP to the agent's port. */
  reach: Maybe<Reach>;
  health: Maybe<AgentHealth>;
  /** What the VNC server says of its screen. */
  display: Maybe<string>;
}

/** The guest answered, whichever way. */
export const guestAnswers = ({ ping, report, health }: Evidence): boolean =>
  valueOf(ping) !== undefined || valueOf(report) !== undefined || valueOf(health) !== undefined;

/** It has what a VM holds while it is up; one that failed or falls asleep holds it until its things were given back. */
export const holdsThings = ({ record: { state, address } }: Pick<Evidence, 'record'>): boolean =>
  address !== null && state !== 'gone';

/** Nobody waits for it any more; where its disk is kept it is hibernated, else failed. */
export const isGivenUp = ({ record, trigger }: Pick<Evidence, 'record' | 'trigger'>): boolean =>
  record.state === 'failed' || trigger === 'failed';
