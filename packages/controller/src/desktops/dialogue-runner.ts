import type { RfbDialogue } from '@hearth/rfb';

/** Runs a dialogue by whatever comes in, cut however it may be. */
export interface DialogueRunner<T> {
  /** The dialogue's value and the bytes beyond it, once it is over; null until then. Throws what the dialogue throws. */
  push(chunk: Buffer): { value: T; rest: Buffer } | null;
}

export function runDialogue<T>(
  dialogue: RfbDialogue<T>,
  send: (bytes: Uint8Array) => void,
): DialogueRunner<T> {
  /** What came and was not asked for yet. Joined once there is enough for the present step. */
  let parts: Buffer[] = [];
  let available = 0;
  let step = dialogue.next(Buffer.alloc(0));
  const joined = (): Buffer => {
    const [first = Buffer.alloc(0), ...more] = parts;
    const whole = more.length === 0 ? first : Buffer.concat(parts);
    parts = [whole];
    return whole;
  };
  const take = (bytes: number): Buffer => {
    const whole = joined();
    parts = [whole.subarray(bytes)];
    available -= bytes;
    return whole.subarray(0, bytes);
  };
  const advance = (): { value: T; rest: Buffer } | null => {
    for (;;) {
      if (step.done === true) return { value: step.value, rest: joined() };
      if ('send' in step.value) {
        send(step.value.send);
        step = dialogue.next(Buffer.alloc(0));
      } else if (available < step.value.read) {
        return null;
      } else {
        step = dialogue.next(take(step.value.read));
      }
    }
  };
  return {
    push: (chunk) => {
      if (chunk.length > 0) parts.push(chunk);
      available += chunk.length;
      return advance();
    },
  };
}
