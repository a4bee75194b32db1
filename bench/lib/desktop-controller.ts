import { desktopLimits, startProgress, type VmId } from '@hearth/contract';
import { WebSocketServer } from 'ws';
import { bridgeViewer } from '../../packages/controller/src/desktops/bridge.ts';
import { connectDisplay } from '../../packages/controller/src/desktops/connect-display.ts';
import { connectHost } from '../../packages/controller/src/host-link/unix-socket.ts';

/** `node desktop-controller.ts PORT SOCKET`: the controller's way of a desktop's bytes, without tickets and users. */
const [port = '', socketPath = ''] = process.argv.slice(2);
const host = connectHost(socketPath);
const server = new WebSocketServer({ port: Number(port), host: '127.0.0.1', perMessageDeflate: false });
server.on('listening', () => process.stdout.write('up\n'));
server.on('connection', (socket) => {
  socket.pause();
  const progress = startProgress({ what: 'connecting', timeoutMs: 15_000 });
  connectDisplay(host, 'vm-000000000000' as VmId, progress).then(
    (display) => {
      socket.resume();
      const { ended } = bridgeViewer({
        ...{ socket, display, policy: 'viewer', limits: desktopLimits },
        mayControl: () => true,
        onNotice: () => undefined,
        onGeometry: () => undefined,
        onFirstFrame: () => undefined,
        signal: new AbortController().signal,
      });
      void ended.then((error) => {
        if (error !== null) process.stderr.write(`a viewer ended: ${error.message}\n`);
      });
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      socket.terminate();
    },
  );
});
