/** Where the bytes go: a WebSocket, as far as it matters here. */
export interface Sink {
  readonly bufferedAmount: number;
  send: (bytes: Uint8Array<ArrayBuffer>) => void;
}

/** One message at most; a pasted megabyte goes in pieces between which others get their turn. */
const PIECE_BYTES = 16 * 1024;
/** So much may wait in the browser; the rest waits here. */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Longer input is refused: nobody types or pastes so much. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

export interface InputQueue {
  /** @returns false where too much waits already: nothing of it is sent */
  push: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  /** Sends as much as the sink takes. @returns whether all is sent */
  drain: (sink: Sink) => boolean;
}

/** Keeps what was typed in order, in pieces, and no faster than the connection takes it. */
export function makeInputQueue(): InputQueue {
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let bytesWaiting = 0;
  return {
    push: (bytes) => {
      if (bytesWaiting + bytes.length > MAX_QUEUED_BYTES) return false;
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) waiting.push(bytes.slice(at, at + PIECE_BYTES));
      bytesWaiting += bytes.length;
      return true;
    },
    drain: (sink) => {
      let sent = 0;
      for (const piece of waiting) {
        if (sink.bufferedAmount >= MAX_BUFFERED_BYTES) break;
        sink.send(piece);
        bytesWaiting -= piece.length;
        sent += 1;
      }
      waiting = waiting.slice(sent);
      return waiting.length === 0;
    },
  };
}
