import { Socket } from 'node:net';

/** One read takes at most this much; measured: smaller costs throughput, larger gains nothing. */
const READ_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);

/** Takes a chunk, which is overwritten by the next read; false: no more until resume(). */
export type Sink = (chunk: Buffer) => boolean;

/**
 * A socket whose bytes, once it is diverted, are read into one buffer of its own and handed over without a copy and
 * without the queue of a stream. Writing, ends and errors are those of any socket.
 */
export class DirectSocket extends Socket {
  #mode: 'stream' | 'held' | Sink = 'stream';
  #held: Buffer = NOTHING;

  constructor() {
    super({
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (bytes, buffer) => this.#take(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)),
      },
    });
  }

  /** Stops reading. What came already, `bytes` first, is for the next sink. */
  hold(bytes: Buffer = NOTHING): void {
    const queued = this.#mode === 'stream' ? ((this.read() as Buffer | null) ?? NOTHING) : NOTHING;
    this.#held = Buffer.concat([this.#held, bytes, queued]);
    this.#mode = 'held';
  }

  /** From now on the bytes go to `sink`, instead of `data` events or an earlier sink. */
  divert(sink: Sink): void {
    const held = this.#held;
    this.#held = NOTHING;
    this.#mode = sink;
    if (held.length === 0 || sink(held)) this.resume();
  }

  #take(chunk: Buffer): boolean {
    if (typeof this.#mode === 'function') return this.#mode(chunk);
    if (this.#mode === 'stream') return this.push(Buffer.from(chunk));
    this.#held = Buffer.concat([this.#held, chunk]);
    return false;
  }
}
