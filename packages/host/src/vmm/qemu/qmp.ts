import { connect, type Socket } from 'node:net';
import { HearthError, pause, splitLines, withAbort, type Progress } from '@hearth/contract';
import { z } from 'zod';

const messageSchema = z.union([
  z.object({ QMP: z.unknown() }),
  z.object({ id: z.number(), return: z.unknown() }),
  z.object({ id: z.number().optional(), error: z.object({ class: z.string(), desc: z.string() }) }),
  z.object({ event: z.string(), data: z.unknown().optional() }),
]);

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: HearthError) => void;
  command: string;
}

/** One connection to a QEMU machine protocol socket: commands carry ids, answers may come in any chunks and order. */
export class QmpClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly closed: Promise<void>;
  #nextId = 1;
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = this.#read();
  }

  /** Connects as soon as QEMU has made its socket. `isAlive` ends the wait where QEMU died instead. */
  static async connect(
    path: string,
    isAlive: () => Promise<boolean>,
    progress: Progress,
  ): Promise<QmpClient> {
    for (;;) {
      const socket = await tryConnect(path);
      if (socket !== null) {
        const client = new QmpClient(socket);
        await client.execute('qmp_capabilities', {}, progress);
        return client;
      }
      if (!(await isAlive())) throw new HearthError('vmm_failed', 'QEMU ended before its monitor answered');
      await pause(10, progress.signal);
    }
  }

  async execute(command: string, args: Record<string, unknown>, progress: Progress): Promise<unknown> {
    if (this.#ended) throw new HearthError('vmm_failed', `QEMU's monitor is closed (${command})`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject, command });
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    try {
      return await withAbort(promise, progress.signal);
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #read(): Promise<void> {
    let cause: unknown;
    try {
      for await (const line of splitLines(this.#socket)) this.#take(line);
    } catch (error) {
      cause = error;
    }
    this.#ended = true;
    this.#socket.destroy();
    for (const { reject, command } of this.#waiting.values()) {
      reject(new HearthError('vmm_failed', `QEMU's monitor closed during ${command}`, { cause }));
    }
    this.#waiting.clear();
  }

  #take(line: string): void {
    const message = messageSchema.parse(JSON.parse(line));
    if (!('id' in message) || message.id === undefined) return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if ('error' in message) {
      waiting.reject(new HearthError('vmm_failed', `QEMU refused ${waiting.command}: ${message.error.desc}`));
    } else {
      waiting.resolve(message.return);
    }
  }
}

/** One try; null where nobody listens (yet). */
export async function tryConnect(path: string): Promise<Socket | null> {
  const { promise, resolve } = Promise.withResolvers<Socket | null>();
  const socket = connect(path);
  const onError = (): void => resolve(null);
  socket.once('error', onError);
  socket.once('connect', () => {
    socket.off('error', onError);
    // Later errors end the stream's reader; without a listener they would end the daemon.
    socket.on('error', () => socket.destroy());
    resolve(socket);
  });
  return promise;
}
