import { abortReason, asHearthError, HearthError, ticketSchema, type VmId } from '@hearth/contract';
import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { parseVmId } from './follow.ts';
import { relayDesktop } from './relay-desktop.ts';

export interface VncOptions extends CommonOptions {
  listen: string;
  view?: boolean;
}

/** Listens for VNC viewers and brings each to the VM's desktop, over a connection and with a ticket of its own. */
export async function serveVnc(id: string, options: VncOptions): Promise<void> {
  const vmId = parseVmId(id);
  const where = parseListen(options.listen);
  await withApi(options, async (api, { out, signal }) => {
    const mode = options.view === true ? 'view' : 'control';
    // Not used; a VM that has no desktop to show is told here and not to the first viewer.
    await takeTicket(api, vmId, mode, signal);
    const viewers = new Set<Socket>();
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (viewer) => {
      viewers.add(viewer);
      viewer.once('close', () => viewers.delete(viewer));
      bring(api, vmId, mode, viewer, signal).catch((error: unknown) => {
        viewer.destroy();
        const { code, detail } = asHearthError(error);
        if (!signal.aborted) out.note(`a viewer was closed: ${code}: ${detail}`);
      });
    });
    const { address, port } = await listen(server, where);
    if (out.json) out.value({ address, port });
    else out.line(`VNC viewers find the desktop of ${vmId} at ${hostPart(address)}:${port}; Ctrl-C ends it`);
    if (!isLoopback(address))
      out.note('Whoever reaches this address can use the desktop, without a password and unencrypted.');
    try {
      if (!signal.aborted) await once(signal, 'abort');
      throw abortReason(signal);
    } finally {
      server.close();
      for (const viewer of viewers) viewer.destroy();
    }
  });
}

const takeTicket = (api: Api, vmId: VmId, mode: 'view' | 'control', signal: AbortSignal) =>
  api.call('POST', ticketSchema, `/api/vms/${vmId}/desktop/ticket`, { json: { mode }, signal });

async function bring(
  api: Api,
  vmId: VmId,
  mode: 'view' | 'control',
  viewer: Socket,
  signal: AbortSignal,
): Promise<void> {
  const { path } = await takeTicket(api, vmId, mode, signal);
  const url = new URL(path, api.origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  await relayDesktop(viewer, new WebSocket(url, { perMessageDeflate: false }), signal);
}

async function listen(server: Server, where: { host: string; port: number }): Promise<AddressInfo> {
  server.listen(where);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const address = `${hostPart(where.host)}:${where.port}`;
    if (code === 'EADDRINUSE')
      throw new HearthError('port_in_use', address, {
        cause,
        hint: 'Choose another with --listen ADDRESS:PORT; port 0 takes any that is free.',
      });
    throw new HearthError('bad_request', `--listen ${address}: ${code}`, {
      cause,
      hint: 'Name an address of this machine and a port that this user may open.',
    });
  }
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new HearthError('internal', 'no address to listen on');
  return address;
}

const hostPart = (address: string): string => (isIPv6(address) ? `[${address}]` : address);
const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535)
    throw new HearthError('bad_request', `--listen ${text}: expected ADDRESS:PORT`, {
      hint: 'For example 127.0.0.1:5901, or [::1]:0 for any free port.',
    });
  return { host, port };
}
