import type { Config, Log, Progress } from '@hearth/contract';
import type { AgentClient } from '../guest-link/agent-client.ts';
import type { AddressBook } from '../network/address-book.ts';
import type { NetworkPlan } from '../network/addressing.ts';
import type { NetworkSight } from '../network/observe-network.ts';
import type { Looks } from './look/looks.ts';

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
  /** How it looks at processes, files and ports; this machine's where left out. */
  see?: Looks;
  log: Log;
}
