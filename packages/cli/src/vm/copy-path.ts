import { HearthError, type VmId } from '@hearth/contract';
import { parseVmId } from './follow.ts';

export type CopyPlace =
  | { in: 'vm'; vmId: VmId; path: string }
  | { in: 'here'; path: string }
  /** Standard input or output. */
  | { in: 'stream' };

/** `vm-…:/path` is in a VM, `-` a stream, anything else a file here (`./vm-a:b` for one that looks otherwise). */
export function parseCopyPlace(text: string): CopyPlace {
  if (text === '-') return { in: 'stream' };
  const match = /^(vm-[^:/]*):(.*)$/s.exec(text);
  if (match === null) {
    if (text === '') throw new HearthError('bad_request', 'a path is empty', { hint: USAGE });
    return { in: 'here', path: text };
  }
  const [, id = '', path = ''] = match;
  const vmId = parseVmId(id);
  if (!path.startsWith('/'))
    throw new HearthError('bad_request', `${text}: the path in a VM must be absolute`, { hint: USAGE });
  return { in: 'vm', vmId, path };
}

const USAGE = 'For example: hearth vm cp notes.txt vm-…:/home/hearth/ · hearth vm cp vm-…:/etc/hostname -';

export type CopyPlan =
  | { direction: 'up'; from: string | null; vmId: VmId; path: string }
  | { direction: 'down'; vmId: VmId; path: string; to: string | null };

/** Exactly one side must be in a VM. null stands for the stream. */
export function planCopy(source: string, target: string): CopyPlan {
  const from = parseCopyPlace(source);
  const to = parseCopyPlace(target);
  if (from.in === 'vm' && to.in === 'vm')
    throw new HearthError('bad_request', 'both sides are in a VM', {
      hint: 'Copy by way of a file here, or pipe: hearth vm cp vm-a…:/x - | hearth vm cp - vm-b…:/x',
    });
  if (from.in === 'vm')
    return { direction: 'down', vmId: from.vmId, path: from.path, to: to.in === 'here' ? to.path : null };
  if (to.in !== 'vm') throw new HearthError('bad_request', 'neither side is in a VM', { hint: USAGE });
  return { direction: 'up', from: from.in === 'here' ? from.path : null, vmId: to.vmId, path: to.path };
}
