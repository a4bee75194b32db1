import { HearthError } from './errors.ts';
import { terminalFrame, type TerminalInput, type TerminalNotice } from './terminal.ts';

/** A message of a terminal's stream: bytes of the terminal, or the JSON of a notice or an input as text. */
export type TerminalFrame = { type: 'bytes'; bytes: Uint8Array } | { type: 'json'; text: string };

const HEAD_BYTES = 5;

/** Bytes as frames, as many as their length needs. */
export function encodeTerminalBytes(bytes: Uint8Array): Uint8Array[] {
  const frames = [];
  for (let at = 0; at < bytes.length; at += terminalFrame.maxPayloadBytes)
    frames.push(frame(terminalFrame.bytes, bytes.subarray(at, at + terminalFrame.maxPayloadBytes)));
  return frames;
}

export function encodeTerminalJson(message: TerminalNotice | TerminalInput): Uint8Array {
  return frame(terminalFrame.json, new TextEncoder().encode(JSON.stringify(message)));
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  const whole = new Uint8Array(HEAD_BYTES + payload.length);
  whole[0] = type;
  new DataView(whole.buffer).setUint32(1, payload.length);
  whole.set(payload, HEAD_BYTES);
  return whole;
}

/** Takes chunks of a stream and gives the messages that are whole. Throws HearthError bad_request on what is no frame. */
export function createTerminalFrameReader(): (chunk: Uint8Array) => TerminalFrame[] {
  let chunks: Uint8Array[] = [];
  let held = 0;
  /** What must be there before anything can be read. */
  let wanted = HEAD_BYTES;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    if (held < wanted) return [];
    const whole = join(chunks, held);
    const frames: TerminalFrame[] = [];
    let at = 0;
    for (;;) {
      wanted = HEAD_BYTES;
      if (whole.length - at < wanted) break;
      const length = new DataView(whole.buffer, whole.byteOffset + at).getUint32(1);
      const type = whole[at];
      if (length > terminalFrame.maxPayloadBytes)
        throw new HearthError('bad_request', `a message of a terminal has ${length} bytes`);
      wanted = HEAD_BYTES + length;
      if (whole.length - at < wanted) break;
      const payload = whole.subarray(at + HEAD_BYTES, at + wanted);
      if (type === terminalFrame.bytes) frames.push({ type: 'bytes', bytes: payload });
      else if (type === terminalFrame.json)
        frames.push({ type: 'json', text: new TextDecoder().decode(payload) });
      else throw new HearthError('bad_request', `a message of a terminal has the unknown type ${type ?? ''}`);
      at += wanted;
    }
    chunks = at < whole.length ? [whole.subarray(at)] : [];
    held = whole.length - at;
    return frames;
  };
}

function join(chunks: Uint8Array[], bytes: number): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
