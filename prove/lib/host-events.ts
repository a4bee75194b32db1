import { request } from 'node:http';
import { join } from 'node:path';
import { hostEventSchema, readEvents, type Config, type HostVm } from '@hearth/contract';

/** What a VM went through on the host: its states, and the phases of its start. Ends with the signal or the daemon. */
export async function followHost(
  { runDir }: Config,
  onReached: (vm: HostVm, what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<AsyncIterable<Uint8Array>>();
  const call = request({ socketPath: join(runDir, 'host.sock'), path: '/v1/events', signal }, resolve);
  call.on('error', reject);
  call.end();
  const seen = new Set<string>();
  for await (const event of readEvents(await promise, hostEventSchema)) {
    if (event.type !== 'vm') continue;
    const { vm } = event;
    for (const what of [vm.state, ...vm.phases.map(({ phase }) => phase)]) {
      if (seen.has(`${vm.id} ${what}`)) continue;
      seen.add(`${vm.id} ${what}`);
      onReached(vm, what);
    }
  }
}
