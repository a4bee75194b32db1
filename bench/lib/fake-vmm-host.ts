import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { configSchema, parseConfig, type HostCapacity } from '@hearth/contract';
import { pino } from 'pino';
import { z } from 'zod';
import { createAgentClient } from '../../packages/host/src/guest-link/agent-client.ts';
import { createHostServer } from '../../packages/host/src/http/server.ts';
import { createAddressStore } from '../../packages/host/src/journal/address-store.ts';
import { openHostDatabase } from '../../packages/host/src/journal/database.ts';
import { createVmRecords } from '../../packages/host/src/journal/vm-records.ts';
import { createHostMetrics } from '../../packages/host/src/metrics/host-metrics.ts';
import { makeTestMachine } from '../../packages/host/src/vms/test-machine.ts';
import { vmPaths } from '../../packages/host/src/vms/vm-paths.ts';
import { createWatchdog } from '../../packages/host/src/vms/watchdog.ts';

/**
 * `node fake-vmm-host.ts '{"config": …, "memMiB": …}'`: the host daemon's API on <runDir>/host.sock. Lives of VMs, HTTP, watchdog and the
 * journal in <stateDir>/host.db are the real ones; VMMs, guests and network are fakes in this process, so they end with
 * it. `memMiB`: what the machine seems to have. Prints `up` once it serves; ends in order at SIGTERM.
 */
const inputSchema = z.strictObject({
  config: z.custom<z.input<typeof configSchema>>(),
  memMiB: z.int().positive().optional(),
});
const input = inputSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
if (input.memMiB !== undefined) {
  const bytes = input.memMiB * 1024 * 1024;
  os.totalmem = () => bytes;
  syncBuiltinESMExports();
}
const config = parseConfig(input.config, {});
for (const folder of [config.stateDir, config.runDir, join(config.runDir, 'fake')])
  await mkdir(folder, { recursive: true, mode: 0o755 });
const database = openHostDatabase(join(config.stateDir, 'host.db'));
const machine = await makeTestMachine(join(config.runDir, 'fake'), {
  ...{ config: input.config, golden: false },
  durable: { records: createVmRecords(database), store: createAddressStore(database) },
});
const { host: vms } = machine.daemon();
await vms.adopt();
const agents = createAgentClient();
const capacity = async (): Promise<HostCapacity> => ({
  ...{ cpus: os.availableParallelism(), cpusFree: os.availableParallelism(), diskFreeMiB: 1_000_000 },
  ...{ memMiB: Math.floor(os.totalmem() / 1024 / 1024), memFreeMiB: Math.floor(os.freemem() / 1024 / 1024) },
  ...{ starts: { running: 0, waiting: 0 }, addressesFree: 65_000, accelerator: 'unknown' },
});
const metrics = createHostMetrics({
  vms: { list: () => vms.list(), controlChannels: () => vms.controlChannels() },
  ...{ restarts: () => 0, capacity, drift: () => null, swept: () => new Map() },
});
const server = createHostServer({
  ...{ vms, agents, logger: pino({ level: 'error' }, pino.destination(2)) },
  health: async () => ({ status: 'ok', version: '0', uptimeSeconds: process.uptime(), checks: [] }),
  capacity,
  metrics,
  consoleFiles: async (id) => vmPaths(config, id).console,
  snapshots: {
    list: async () => ({ snapshots: [], making: null }),
    remove: async () => 0,
  },
  checkPeer: () => undefined,
});
const watchdog = createWatchdog({
  ...{ config, vms: () => vms.living(), suspects: () => new Set() },
  ...{ slowness: () => Promise.resolve(1), log: () => undefined },
});
const socketPath = join(config.runDir, 'host.sock');
await rm(socketPath, { force: true });
await server.listen({ path: socketPath });
watchdog.start();
process.stdout.write('up\n');
await once(process, 'SIGTERM');
await server.close();
await watchdog.stop();
await vms.release();
await agents.close();
database.close();
process.exit(0);
