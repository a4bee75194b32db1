import {
  AGENT_PORT,
  CONSOLE_PHASE_PREFIX,
  CONTROL_PORT_NAME,
  VNC_PASSWORD_FILE,
  VNC_PORT,
} from '@hearth/contract';
import { openSync, readSync } from 'node:fs';
import { startAgent } from './agent.ts';
import { createVirtioPortTransport } from './control/virtio-port.ts';
import { mountCredentials } from './credentials/credential-mount.ts';
import { guestUsers } from './exec/login-user.ts';
import { startOrderTaker } from './exec/order-taker.ts';
import { createLog, describeError } from './log.ts';
import { readAddresses } from './network/addresses.ts';
import { adoptNameServers } from './network/name-servers.ts';
import { browserVmProbes, DEVTOOLS_PORT } from './probes/browser-vm.ts';
import { linuxView } from './report/guest-view.ts';
import { createFreezer } from './system/freezer.ts';
import { linuxSystem } from './system/guest-system.ts';
import { createTrust } from './system/trust.ts';
import { agentVersion } from './version.ts';

/** Name of the one network card in every VM. */
const INTERFACE = 'eth0';
const ORDER_TAKER = '/usr/lib/hearth/take-identity';
/** What a golden snapshot freezes: all of the desktop but the display server, which goes on showing their picture. */
const FROZEN_UNITS = ['hearth-browser.service', 'hearth-window-manager.service', 'hearth-wallpaper.service'];
/**
 * Chromium's process that speaks TLS: BoringSSL keeps its generator in memory, and on processors without a fast RDRAND adds nothing
 * to it that differs between clones. The browser starts another one as soon as it needs it.
 */
const ENDED_PROCESS = '--utility-sub-type=network.mojom.NetworkService';
/** Made by the unit; root's alone. */
const RUNTIME_DIR = '/run/hearth';
const CREDENTIALS_DIR = '/run/hearth-credentials';
/** On the VM's own disk: what runs print is too much for its memory. */
const SPOOL_DIR = '/var/lib/hearth/runs';
/** Of the image's tools: what the bundle doesn't hold is among them. */
const MODULES_DIR = '/opt/hearth/tools/node_modules';
/** Where open-url (image/rootfs/usr/lib/hearth) hands links over; `xdg-open` in /usr/local/bin is the same program. */
const LINK_SOCKET = '/run/hearth-open/socket';
const DESKTOP_ENV = { BROWSER: '/usr/lib/hearth/open-url', DISPLAY: ':0' };
/** Ends the agent even if something hangs; systemd's own patience is longer. */
const STOP_MS = 4000;

async function main(): Promise<void> {
  if (process.argv.includes('--version')) {
    process.stdout.write(`${agentVersion}\n`);
    return;
  }
  process.stdout.write(`${CONSOLE_PHASE_PREFIX}agent\n`);
  const log = createLog((line) => process.stdout.write(line));
  const orders = startOrderTaker({ program: ORDER_TAKER, log });
  const freezer = createFreezer({ units: FROZEN_UNITS, ended: ENDED_PROCESS });
  const reachedSizes = new Set<string>();
  const agent = await startAgent({
    version: agentVersion,
    listen: { address: '0.0.0.0', port: AGENT_PORT },
    transport: createVirtioPortTransport({ portName: CONTROL_PORT_NAME, log }),
    system: linuxSystem(orders),
    view: linuxView,
    freezer,
    users: guestUsers,
    runtimeDir: RUNTIME_DIR,
    interfaceName: INTERFACE,
    readAddresses: () => readAddresses(),
    vncPasswordFile: VNC_PASSWORD_FILE,
    adoptNameServers: (signal) => adoptNameServers({ log, signal }),
    trust: createTrust(),
    credentials: { folder: CREDENTIALS_DIR, mount: mountCredentials },
    desktop: { devtoolsPort: DEVTOOLS_PORT, linkSocket: LINK_SOCKET, env: DESKTOP_ENV },
    modulesFolder: MODULES_DIR,
    spoolDir: SPOOL_DIR,
    probesFor: (display) =>
      display === null
        ? []
        : browserVmProbes(
            { vnc: VNC_PORT, devtools: DEVTOOLS_PORT },
            display,
            () => freezer.isFrozen(),
            reachedSizes,
          ),
    randomBytes: createKernelRandom(),
    log,
  });
  log('agent started', { version: agentVersion, port: agent.port });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log('stopping', { signal });
      setTimeout(() => process.exit(0), STOP_MS).unref();
      orders.stop();
      agent.stop().catch((error: unknown) => log('stopping failed', { error: describeError(error) }));
    });
  }
}

function createKernelRandom(): (size: number) => Uint8Array {
  const descriptor = openSync('/dev/urandom', 'r');
  return (size) => {
    const bytes = Buffer.alloc(size);
    // Reads of up to 256 bytes are never cut short, larger ones can be.
    for (let read = 0; read < size;) read += readSync(descriptor, bytes, read, size - read, null);
    return bytes;
  };
}

try {
  await main();
} catch (error) {
  process.stderr.write(`hearth-agent: ${describeError(error)}\n`);
  process.exitCode = 1;
}
