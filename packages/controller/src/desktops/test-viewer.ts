import { joinServer, type ServerInit } from '@hearth/rfb';
import { WebSocket } from 'ws';
import { runDialogue } from './dialogue-runner.ts';

/** A viewer that speaks RFB over a WebSocket, for tests. */
export interface TestViewer {
  socket: WebSocket;
  /** Goes through the handshake. */
  join(): Promise<ServerInit>;
  closed: Promise<{ code: number; reason: string }>;
}

/** Begins to open a WebSocket; a refused upgrade rejects nothing but shows in `closed` as code 1006. */
export function openTestViewer(url: string, path: string, headers: Record<string, string> = {}): TestViewer {
  const socket = new WebSocket(new URL(path, url.replace('http', 'ws')), { headers });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on('error', () => undefined);
  const early: Buffer[] = [];
  let onData = (data: Buffer): void => void early.push(data);
  socket.on('message', (data) => onData(data as Buffer));
  return {
    socket,
    closed,
    join: () => {
      const joined = Promise.withResolvers<ServerInit>();
      const runner = runDialogue(joinServer(null), (bytes) => socket.send(bytes));
      onData = (data) => {
        const over = runner.push(data);
        if (over === null) return;
        onData = () => undefined;
        joined.resolve(over.value);
      };
      onData(Buffer.concat(early.splice(0)));
      closed.then(
        ({ code, reason }) => joined.reject(new Error(`closed with ${code} ${reason}`)),
        joined.reject,
      );
      return joined.promise;
    },
  };
}
