import {
  AGENT_PORT,
  CONSOLE_PHASE_PREFIX,
  CONTROL_PORT_NAME,
  VNC_PASSWORD_FILE,
  VNC_PORT,
} from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import { startAgent } from './agent.ts';
import { createVirtioPortTransport } from './control/virtio-port.ts';
import { guestUsers } from './exec/login-user.ts';
import { createLog, describeError } from './log.ts';
import { readAddresses } from './network/addresses.ts';
import { browserVmProbes, DEVTOOLS_PORT } from './probes/browser-vm.ts';
import { linuxSystem } from './system/guest-system.ts';
import { agentVersion } from './version.ts';

/** Name of the one network card in every VM. */
const INTERFACE = 'eth0';
/** Made by the unit; root's alone. */
const RUNTIME_DIR = '/run/hearth';
/** Ends the agent even if something hangs; systemd's own patience is longer. */
const STOP_MS = 4000;

async function main(): Promise<void> {
  if (process.argv.includes('--version')) {
    process.stdout.write(`${agentVersion}\n`);
    return;
  }
  process.stdout.write(`${CONSOLE_PHASE_PREFIX}agent\n`);
  const log = createLog((line) => process.stdout.write(line));
  const reachedSizes = new Set<string>();
  const agent = await startAgent({
    version: agentVersion,
    listen: { address: '0.0.0.0', port: AGENT_PORT },
    transport: createVirtioPortTransport({ portName: CONTROL_PORT_NAME, log }),
    system: linuxSystem,
    users: guestUsers,
    runtimeDir: RUNTIME_DIR,
    interfaceName: INTERFACE,
    readAddresses: () => readAddresses(),
    vncPasswordFile: VNC_PASSWORD_FILE,
    probesFor: (display) =>
      display === null
        ? []
        : browserVmProbes({ vnc: VNC_PORT, devtools: DEVTOOLS_PORT }, display, reachedSizes),
    randomBytes,
    log,
  });
  log('agent started', { version: agentVersion, port: agent.port });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log('stopping', { signal });
      setTimeout(() => process.exit(0), STOP_MS).unref();
      agent.stop().catch((error: unknown) => log('stopping failed', { error: describeError(error) }));
    });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`hearth-agent: ${describeError(error)}\n`);
  process.exitCode = 1;
}
