import { RfbError } from './dialogue.ts';
import { buttonsUp, keyUp, qemuKeyUp, viewerMessages } from './viewer-messages.ts';

/** What a viewer holds down: keys by their symbol, keys by their code (QEMU's message), buttons. */
export interface HeldInput {
  /** A KeyEvent, QEMU key event or PointerEvent that goes to the server. Throws RfbError for more keys than hands can hold. */
  note(message: Buffer): void;
  /** The messages that let all of it go; nothing is held then. */
  release(): Buffer;
}

/** Symbols are counted, not keys: each level of a key (shifted, with AltGr) has one, and some viewers forget to let one go. */
const MAX_HELD_KEYS = 256;

export function createHeldInput(): HeldInput {
  const symbols = new Set<number>();
  /** Symbol by code. */
  const codes = new Map<number, number>();
  let buttons = 0;
  let position = { x: 0, y: 0 };

  const note = (message: Buffer): void => {
    switch (message.readUInt8()) {
      case viewerMessages.keyEvent: {
        const symbol = message.readUInt32BE(4);
        if (message.readUInt8(1) === 0) symbols.delete(symbol);
        else symbols.add(symbol);
        break;
      }
      case viewerMessages.qemu: {
        const code = message.readUInt32BE(8);
        if (message.readUInt16BE(2) === 0) codes.delete(code);
        else codes.set(code, message.readUInt32BE(4));
        break;
      }
      case viewerMessages.pointerEvent:
        buttons = message.readUInt8(1);
        position = { x: message.readUInt16BE(2), y: message.readUInt16BE(4) };
        break;
    }
    if (symbols.size + codes.size > MAX_HELD_KEYS) throw new RfbError('too many keys are held down');
  };
  const release = (): Buffer => {
    const messages = [...symbols].map(keyUp);
    for (const [code, symbol] of codes) messages.push(qemuKeyUp(symbol, code));
    if (buttons !== 0) messages.push(buttonsUp(position));
    symbols.clear();
    codes.clear();
    buttons = 0;
    return Buffer.concat(messages);
  };
  return { note, release };
}
