import { connect } from 'node:net';
import { HearthError, type Progress, type Secret } from '@hearth/contract';
import { joinServer, RfbError, type RfbDialogue } from '@hearth/rfb';

/** Joins a VNC server as a viewer does, and leaves: what it says of its screen. Throws desktop_unreachable. */
export async function lookAtDisplay(
  ip: string,
  port: number,
  password: Secret,
  progress: Progress,
): Promise<string> {
  const socket = connect({ host: ip, port, signal: progress.signal });
  try {
    const { width, height } = await talk(socket, joinServer(password.reveal()));
    return `RFB, ${width}x${height}`;
  } catch (error) {
    progress.throwIfAborted();
    const word = error instanceof RfbError ? error.message : (error as NodeJS.ErrnoException).code;
    throw new HearthError('desktop_unreachable', `${ip}:${port}: ${word ?? 'the connection failed'}`, {
      cause: error,
    });
  } finally {
    socket.destroy();
  }
}

async function talk<T>(
  socket: AsyncIterable<Buffer> & { write(bytes: Uint8Array): boolean },
  dialogue: RfbDialogue<T>,
): Promise<T> {
  const chunks = socket[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  let step = dialogue.next();
  while (step.done !== true) {
    if ('send' in step.value) {
      socket.write(step.value.send);
      step = dialogue.next(Buffer.alloc(0));
      continue;
    }
    const wanted = step.value.read;
    while (held.length < wanted) {
      const next = await chunks.next();
      if (next.done === true) throw new RfbError('the server hung up');
      held = Buffer.concat([held, next.value]);
    }
    step = dialogue.next(held.subarray(0, wanted));
    held = held.subarray(wanted);
  }
  return step.value;
}
