/** A step of a dialogue: bytes to send, or a number of bytes to read. Dialogues do no I/O; see talk() of whoever runs them. */
export type RfbStep = { send: Uint8Array } | { read: number };
export type RfbDialogue<T> = Generator<RfbStep, T, Buffer>;

/** What came is not RFB, or beyond what is allowed; the message says what was wrong. */
export class RfbError extends Error {
  override readonly name: string = 'RfbError';
}

/** The server speaks RFB and lets nobody in: a wrong password, or too many of them, or it is not up yet. */
export class RfbRefusal extends RfbError {}
