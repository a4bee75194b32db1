import { join } from 'node:path';
import { openRoom } from '@hearth/testing';
import { z } from 'zod';
import type { HostPasses, HostPassesInput } from './host-passes.ts';

const PASSES = 20;
const TIMEOUT_MS = 300_000;
const resultSchema: z.ZodType<HostPasses[]> = z.array(
  z.object({ vms: z.number(), wallMs: z.number(), cpuMs: z.number() }),
);

/** What a reconcile pass of the host daemon costs with so many VMs, on a real bridge with their TAPs. */
export async function measureHostPasses(vms: number[]): Promise<HostPasses[]> {
  await using room = await openRoom();
  const input: HostPassesInput = { folder: room.folder, name: room.name, vms, passes: PASSES };
  return resultSchema.parse(
    await room.inside(join(import.meta.dirname, 'host-passes.ts'), input, TIMEOUT_MS),
  );
}
