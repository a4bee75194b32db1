import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeHost } from '@hearth/testing';
import { vmListSchema } from '@hearth/contract';
import { startTestController, until } from '../../packages/controller/src/test-controller.ts';
import { context, median, type Figure } from '../lib/report.ts';

const PASSES = 15;
const MIB = 2048;

/** What one pass of the controller's reconcile costs for each VM, where nothing changed; the fake host answers in the same process. */
export async function measureReconcile(vms: number): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-reconcile-'));
  const host = await startFakeHost(join(folder, 'host.sock'), {
    ...{ memMiB: 4 * vms * MIB, cpus: 2 * vms, addresses: 2 * vms, bootMs: 0 },
  });
  try {
    await using site = await startTestController(host.socketPath, {
      controller: { maxVmsPerUser: vms, rateLimit: { max: 1_000_000 } },
    });
    const token = await site.token('bench', 'admin');
    for (let count = 0; count < vms; count++) {
      const answer = await site.call(token, 'POST', '/api/vms', { body: { kind: 'cli' } });
      const text = await answer.text();
      if (answer.status >= 300) throw new Error(`POST /api/vms: ${answer.status} ${text}`);
    }
    await until(
      'all VMs to be ready',
      async () => {
        const answer = await site.call(token, 'GET', '/api/vms');
        const { vms: all } = vmListSchema.parse(await answer.json());
        return all.filter(({ state }) => state === 'ready').length === vms;
      },
      120_000,
    );
    const times: number[] = [];
    for (let pass = 0; pass < PASSES; pass++) {
      const startedMs = performance.now();
      await site.controller.reconcile.run();
      times.push(performance.now() - startedMs);
    }
    return [
      context(`the controller's reconcile pass, for each of ${vms} VMs`, (1000 * median(times)) / vms, 'µs'),
    ];
  } finally {
    await host.close();
    await rm(folder, { recursive: true, force: true });
  }
}
