import type { RfbDialogue } from '../dialogue.ts';

/** What became of a dialogue that was fed from bytes. */
export interface Fed<T> {
  /** undefined where the bytes didn't suffice. */
  value: T | undefined;
  sent: Buffer;
  rest: Buffer;
  /** Longest single read that it asked for. */
  longestRead: number;
}

/** Leads a dialogue by bytes that are all there already. */
export function feed<T>(dialogue: RfbDialogue<T>, bytes: Buffer): Fed<T> {
  const sent: Uint8Array[] = [];
  let at = 0;
  let longestRead = 0;
  let step = dialogue.next();
  while (step.done !== true) {
    if ('send' in step.value) {
      sent.push(step.value.send);
      step = dialogue.next(Buffer.alloc(0));
      continue;
    }
    const { read } = step.value;
    if (read < 1) throw new Error(`a read of ${read} bytes`);
    longestRead = Math.max(longestRead, read);
    if (at + read > bytes.length)
      return { value: undefined, sent: Buffer.concat(sent), rest: bytes.subarray(at), longestRead };
    step = dialogue.next(bytes.subarray(at, at + read));
    at += read;
  }
  return { value: step.value, sent: Buffer.concat(sent), rest: bytes.subarray(at), longestRead };
}
