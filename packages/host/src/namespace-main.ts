import { parseArgs } from 'node:util';
import { asHearthError, encodeLine, startProgress, toProblem } from '@hearth/contract';
import { readConfig } from './config.ts';
import { run } from './exec/run.ts';
import { cgroupTreeName, openCgroups } from './vmm/cgroup.ts';
import { removeNamespace } from './network/namespace.ts';

/**
 * `node namespace-main.ts --config FILE`: removes what the host daemon made in the machine's own network for this
 * Hearth (namespace, veth, route, firewall table), and the groups of VMMs that are gone. Prints one JSON line: {steps, remainingPids}, or {problem} with exit code 1.
 */
const TIMEOUT_MS = 60_000;
const { values } = parseArgs({ options: { config: { type: 'string' } } });
try {
  const config = await readConfig(values.config);
  const removal = await removeNamespace(
    config,
    run,
    startProgress({ what: 'removing the namespace', timeoutMs: TIMEOUT_MS }),
  );
  const cgroups = await openCgroups(cgroupTreeName(config.name), () => undefined);
  await cgroups.sweep(new Set());
  await cgroups.close();
  process.stdout.write(encodeLine(removal));
} catch (error) {
  process.stdout.write(encodeLine({ problem: toProblem(asHearthError(error, 'network_failed')) }));
  process.exitCode = 1;
}
