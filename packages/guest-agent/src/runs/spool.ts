import { encodeLine, type GuestRunLine } from '@hearth/contract';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { countLines } from './line-cutter.ts';

/** What a run said, in a file of the guest; readers follow it at their own pace, and none of it is held in memory. */
export interface Spool {
  /**
   * Keeps whole lines that the tool printed, each with its end, or counts their bytes where the room is used up. Resolves once they
   * are in the file.
   */
  print(stream: 'stdout' | 'stderr', lines: Buffer): Promise<void>;
  /** What is printed is only counted from here on, and needn't be cut into lines. */
  readonly isFull: boolean;
  /** Adds a line of the run's own; it is kept in any case. */
  say(line: GuestRunSaying): Promise<void>;
  /** Nothing more comes; readers end. */
  close(): void;
  /** The encoded lines after `after`, then those to come, in pieces. Ends early, without an error, with the signal. */
  read(after: number, signal: AbortSignal): AsyncGenerator<string>;
  /** Gives the room back; readers end. */
  remove(): Promise<void>;
}

type WithoutSeq<T> = T extends unknown ? Omit<T, 'seq'> : never;
export type GuestRunSaying = WithoutSeq<Exclude<GuestRunLine, { type: 'line' | 'dropped' }>>;

/** Before each record (lines that were printed at once, or one saying): its type (1 byte) and its length (4 bytes, big endian). */
const HEAD_BYTES = 5;
const types = { stdout: 0, stderr: 1, said: 2 } as const;
/** Read at once; a longer record is read by itself. */
const BLOCK_BYTES = 128 * 1024;
/** Between two places of the index, which takes a reader to where it was. */
const INDEX_BYTES = 256 * 1024;
/** A saying that found no room in the file is kept in memory up to this length. */
const MAX_HELD_BYTES = 64 * 1024;

/**
 * @param folder root's alone
 * @param keptBytes of the lines, their ends included
 */
export async function openSpool(folder: string, name: string, keptBytes: number): Promise<Spool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  const file = await open(path, 'wx+', 0o600);
  // Without a name it ends with the agent, whatever ends that.
  await unlink(path);
  return new FileSpool(file, keptBytes);
}

class FileSpool implements Spool {
  readonly #file: FileHandle;
  readonly #keptBytes: number;
  /** Lines in the file, and bytes that they take; all of them can be read. */
  #lines = 0;
  #written = 0;
  /** Where records begin and with which line, about INDEX_BYTES apart. */
  readonly #index: { seq: number; offset: number }[] = [{ seq: 0, offset: 0 }];
  #kept = 0;
  #dropped = 0;
  /** No more room for what is printed: all of it is counted from here on, so that nothing is missing in between. */
  #full = false;
  /** What was said when the disk took no more. */
  readonly #held: string[] = [];
  #closed = false;
  #lastWrite: Promise<void> = Promise.resolve();
  #grown = Promise.withResolvers<undefined>();

  constructor(file: FileHandle, keptBytes: number) {
    this.#file = file;
    this.#keptBytes = keptBytes;
  }

  get isFull(): boolean {
    return this.#full;
  }

  print(stream: 'stdout' | 'stderr', lines: Buffer): Promise<void> {
    return this.#inTurn(async () => {
      this.#full ||= this.#kept + lines.length > this.#keptBytes;
      if (!this.#full && (await this.#write(types[stream], lines, countLines(lines))))
        this.#kept += lines.length;
      else {
        this.#full = true;
        this.#dropped += lines.length;
      }
    });
  }

  say(saying: GuestRunSaying): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#dropped > 0) {
        await this.#keep({ type: 'dropped', bytes: this.#dropped });
        this.#dropped = 0;
      }
      await this.#keep(saying);
    });
  }

  async #keep(saying: GuestRunSaying | { type: 'dropped'; bytes: number }): Promise<void> {
    const encode = (what: typeof saying): string =>
      encodeLine({ seq: this.#lines + this.#held.length, ...what } satisfies GuestRunLine);
    const text = Buffer.from(encode(saying));
    if (this.#held.length === 0 && (await this.#write(types.said, text, 1))) return;
    if (text.length <= MAX_HELD_BYTES) this.#held.push(text.toString());
    else if (saying.type === 'changes') this.#held.push(encode({ ...saying, truncated: true, files: [] }));
    this.#tell();
  }

  close(): void {
    void this.#inTurn(async () => {
      this.#closed = true;
      this.#tell();
    });
  }

  async remove(): Promise<void> {
    this.close();
    await this.#lastWrite;
    await this.#file.close();
  }

  async *read(after: number, signal: AbortSignal): AsyncGenerator<string> {
    const from = this.#index.findLast(({ seq }) => seq <= after + 1) ?? { seq: 0, offset: 0 };
    let { seq, offset } = from;
    let blockBytes = BLOCK_BYTES;
    const aborted = Promise.withResolvers<undefined>();
    const onAbort = (): void => aborted.resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!signal.aborted) {
        // Before the look at what is there: what comes meanwhile is not missed.
        const grown = this.#grown.promise;
        const bytes = Math.min(this.#written - offset, blockBytes);
        if (bytes > 0) {
          const block = await this.#readAt(offset, bytes);
          if (block === null) return;
          const { records, used, next } = split(block);
          let text = '';
          for (const record of records)
            for (const line of linesOf(record)) {
              if (seq > after) text += encodeAt(seq, record.type, line);
              seq += 1;
            }
          offset += used;
          // One that is longer than a block is read whole; the next ones are not.
          blockBytes = used === 0 ? next : BLOCK_BYTES;
          if (text !== '') yield text;
        } else if (this.#closed) {
          for (const [at, line] of this.#held.entries()) if (seq + at > after) yield line;
          return;
        } else await Promise.race([grown, aborted.promise]);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** null where the spool was removed meanwhile. */
  async #readAt(offset: number, bytes: number): Promise<Buffer | null> {
    const block = Buffer.allocUnsafe(bytes);
    try {
      const { bytesRead } = await this.#file.read(block, 0, bytes, offset);
      return block.subarray(0, bytesRead);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBADF') return null;
      throw error;
    }
  }

  /** false where the disk is full: then nothing of it counts. */
  async #write(type: number, payload: Buffer, lines: number): Promise<boolean> {
    const record = Buffer.concat([head(type, payload.length), payload]);
    try {
      for (let at = 0; at < record.length;)
        at += (await this.#file.write(record, at, record.length - at, this.#written + at)).bytesWritten;
    } catch (error) {
      if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
    const last = this.#index.at(-1);
    if (last !== undefined && this.#written - last.offset >= INDEX_BYTES)
      this.#index.push({ seq: this.#lines, offset: this.#written });
    this.#written += record.length;
    this.#lines += lines;
    this.#tell();
    return true;
  }

  #tell(): void {
    const { resolve } = this.#grown;
    this.#grown = Promise.withResolvers();
    resolve(undefined);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastWrite.then(work);
    // Who asked for it is told; the next one has its own turn.
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }
}

function head(type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES);
  bytes[0] = type;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

interface SpoolRecord {
  type: number;
  payload: Buffer;
}

/** The records that are whole in a block, the bytes that they take, and the length of the one behind them. */
function split(block: Buffer): { records: SpoolRecord[]; used: number; next: number } {
  const records: SpoolRecord[] = [];
  let used = 0;
  let next = HEAD_BYTES;
  while (used + HEAD_BYTES <= block.length) {
    next = HEAD_BYTES + block.readUInt32BE(used + 1);
    if (used + next > block.length) break;
    records.push({ type: block[used] ?? 0, payload: block.subarray(used + HEAD_BYTES, used + next) });
    used += next;
  }
  return { records, used, next };
}

function linesOf({ type, payload }: SpoolRecord): string[] {
  const text = payload.toString();
  return type === types.said ? [text] : text.slice(0, -1).split('\n');
}

function encodeAt(seq: number, type: number, text: string): string {
  if (type === types.said) return text;
  const stream = type === types.stdout ? 'stdout' : 'stderr';
  return encodeLine({ seq, type: 'line', stream, text } satisfies GuestRunLine);
}
