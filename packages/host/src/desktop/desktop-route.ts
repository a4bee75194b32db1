import { DESKTOP_PASSWORD_HEADER, DESKTOP_PROTOCOL, type VmId } from '@hearth/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Tunnels } from '../tunnel/tunnels.ts';
import { dialDisplay, type DisplayEndpoint } from './dial-display.ts';

export interface DesktopRouteOptions {
  idOf: (request: FastifyRequest) => VmId;
  /** Throws not_found, not_a_desktop, vm_not_ready. */
  endpoint: (id: VmId) => DisplayEndpoint;
  /** Tells when the VM is ready no longer; returns how to stop listening. */
  onEnd: (id: VmId, listener: () => void) => () => void;
}

/** GET /v1/vms/:id/desktop with `Upgrade: rfb`: the bytes of the VM's VNC server. */
export function addDesktopRoute(
  app: FastifyInstance,
  tunnels: Tunnels,
  { idOf, endpoint, onEnd }: DesktopRouteOptions,
): void {
  app.get('/v1/vms/:id/desktop', async (request, reply) => {
    const id = idOf(request);
    await tunnels.open(request, reply, {
      protocol: DESKTOP_PROTOCOL,
      endedCode: 'desktop_ended',
      onEnd: (listener) => onEnd(id, listener),
      dial: () => {
        const display = endpoint(id);
        const headers = { [DESKTOP_PASSWORD_HEADER]: display.password.reveal() };
        return { headers, connect: (signal) => dialDisplay(display, signal) };
      },
    });
  });
}
