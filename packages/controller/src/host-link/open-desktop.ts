import { DESKTOP_PASSWORD_HEADER, DESKTOP_PROTOCOL, HearthError, Secret, type VmId } from '@hearth/contract';
import type { CallOptions, HostDesktop } from './host-link.ts';
import { openUpgrade, type LinkErrors } from './open-upgrade.ts';

/** GET /v1/vms/:id/desktop over the host's unix socket, upgraded to the bytes of the VM's VNC server. */
export async function openDesktop(
  socketPath: string,
  id: VmId,
  options: CallOptions,
  errors: LinkErrors,
): Promise<HostDesktop> {
  const path = `/v1/vms/${id}/desktop`;
  const { socket, head, headers } = await openUpgrade(socketPath, path, DESKTOP_PROTOCOL, options, errors);
  const password = headers[DESKTOP_PASSWORD_HEADER];
  if (typeof password !== 'string') {
    socket.destroy();
    throw new HearthError('internal', 'the host daemon opened a desktop without its password');
  }
  socket.hold(head);
  return { socket, password: new Secret(password) };
}
