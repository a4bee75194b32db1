import type { Config, Log, Progress, Why } from '@hearth/contract';
import type { AgentClient } from '../guest-link/agent-client.ts';
import type { AddressBook } from '../network/address-book.ts';
import type { NetworkPlan } from '../network/addressing.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { DiagnosisSubject } from './subject.ts';

export type { DiagnosisSubject } from './subject.ts';

export interface DiagnosisOptions {
  config: Config;
  plan: NetworkPlan;
  network: { sight(progress: Progress): Promise<NetworkSight> };
  book: Pick<AddressBook, 'list'>;
  agents: Pick<AgentClient, 'health'>;
  /** Epoch milliseconds. */
  now: () => number;
  /** How many times slower than hardware guests run here; 1 where left out. */
  slowness?: () => Promise<number>;
  log: Log;
}

/** Why can't this VM be reached? (F47) */
export interface Diagnosis {
  /** Walks all checks. Never throws for what is broken; only where `signal` ends it. */
  diagnose(subject: DiagnosisSubject, trigger: Why['trigger'], signal: AbortSignal): Promise<Why>;
}
