import { vmSchema, type CreateVm, type Vm } from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';

export interface Created {
  /** From the request to the event that says `ready`. */
  ms: number;
  vm: Vm;
}

/** Asks the API for a VM and follows its events until it is ready. */
export async function createVm(lab: HearthLab, wanted: CreateVm): Promise<Created> {
  const startedMs = performance.now();
  const created = await lab.fetch('/api/vms', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(wanted),
  });
  if (!created.ok) throw new Error(`POST /api/vms: ${created.status} ${await created.text()}`);
  const vm = await untilReady(lab, vmSchema.parse(await created.json()));
  return { ms: performance.now() - startedMs, vm };
}

/** The VM once it is ready; throws where it fails. */
export async function untilReady(lab: HearthLab, first: Vm): Promise<Vm> {
  if (first.state === 'ready') return first;
  const ending = new AbortController();
  const events = await lab.fetch(`/api/vms/${first.id}/events`, {
    headers: { accept: 'text/event-stream' },
    signal: ending.signal,
  });
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of events.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data === undefined) continue;
        const vm = vmSchema.parse((JSON.parse(data) as { vm: unknown }).vm);
        if (vm.state === 'ready') return vm;
        if (vm.state !== 'requested' && vm.state !== 'starting')
          throw new Error(`the VM is ${vm.state}: ${vm.failure?.detail ?? ''}`);
      }
    }
  } finally {
    ending.abort();
  }
  throw new Error('the stream of events ended');
}

export async function removeVm(lab: HearthLab, { id }: Vm): Promise<void> {
  const answer = await lab.fetch(`/api/vms/${id}?wait=true`, { method: 'DELETE' });
  if (!answer.ok) throw new Error(`DELETE ${id}: ${answer.status} ${await answer.text()}`);
  await answer.body?.cancel();
}
