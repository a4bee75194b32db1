import { RfbError, type RfbDialogue } from '@hearth/rfb';
import { connect } from 'node:net';

/** Leads a dialogue with a server on loopback. Throws RfbError, the socket's error or the signal's reason. */
export async function talkRfb<T>(port: number, dialogue: RfbDialogue<T>, signal: AbortSignal): Promise<T> {
  const socket = connect({ host: '127.0.0.1', port, signal });
  try {
    const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    let held: Buffer = Buffer.alloc(0);
    const read = async (bytes: number): Promise<Buffer> => {
      const parts = [held];
      let length = held.length;
      while (length < bytes) {
        const next = await chunks.next();
        if (next.done === true) throw new RfbError('the server hung up');
        parts.push(next.value);
        length += next.value.length;
      }
      const all = parts.length === 1 ? held : Buffer.concat(parts);
      held = all.subarray(bytes);
      return all.subarray(0, bytes);
    };
    let step = dialogue.next();
    while (step.done !== true) {
      if ('send' in step.value) {
        socket.write(step.value.send);
        step = dialogue.next(Buffer.alloc(0));
      } else {
        step = dialogue.next(await read(step.value.read));
      }
    }
    return step.value;
  } finally {
    socket.destroy();
  }
}
