import type { run } from '../exec/run.ts';
import type { startChild } from '../exec/daemon.ts';

/** How the network's commands are run: exec/run.ts in the daemon, the same within another namespace in tests. */
export type Run = typeof run;
/** How dnsmasq is started. */
export type StartChild = typeof startChild;
