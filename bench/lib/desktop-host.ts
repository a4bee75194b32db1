import { Secret, type VmId } from '@hearth/contract';
import fastify from 'fastify';
import { addDesktopRoute } from '../../packages/host/src/desktop/desktop-route.ts';
import { acceptTunnels } from '../../packages/host/src/tunnel/tunnels.ts';

/** `node desktop-host.ts SOCKET VNC_PORT PASSWORD`: the host daemon's way of a desktop's bytes, without VMs. */
const [socketPath = '', port = '', password = ''] = process.argv.slice(2);
const app = fastify({ forceCloseConnections: true });
addDesktopRoute(app, acceptTunnels(app), {
  idOf: (request) => (request.params as { id: VmId }).id,
  endpoint: () => ({ ip: '127.0.0.1', port: Number(port), password: new Secret(password) }),
  onEnd: () => () => undefined,
});
await app.listen({ path: socketPath });
process.stdout.write('up\n');
