import { PIXEL_FORMAT_BYTES, pixelFormatBytes, type PixelFormat } from './pixel-format.ts';

/** Types of the messages that a viewer sends (RFC 6143, 7.5, and rfbproto). */
export const viewerMessages = {
  setPixelFormat: 0,
  setEncodings: 2,
  updateRequest: 3,
  keyEvent: 4,
  pointerEvent: 5,
  cutText: 6,
  enableContinuousUpdates: 150,
  fence: 248,
  setDesktopSize: 251,
  qemu: 255,
} as const;
/** Of QEMU's messages, the only one known here. */
export const QEMU_KEY_EVENT = 0;

export function setPixelFormat(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(4 + PIXEL_FORMAT_BYTES);
  bytes.writeUInt8(viewerMessages.setPixelFormat, 0);
  pixelFormatBytes(format).copy(bytes, 4);
  return bytes;
}

export function setEncodings(encodings: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * encodings.length);
  bytes.writeUInt8(viewerMessages.setEncodings, 0);
  bytes.writeUInt16BE(encodings.length, 2);
  encodings.forEach((encoding, index) => bytes.writeInt32BE(encoding, 4 + 4 * index));
  return bytes;
}

export function updateRequest(
  incremental: boolean,
  x: number,
  y: number,
  width: number,
  height: number,
): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt8(viewerMessages.updateRequest, 0);
  bytes.writeUInt8(Number(incremental), 1);
  [x, y, width, height].forEach((value, index) => bytes.writeUInt16BE(value, 2 + index * 2));
  return bytes;
}

/** A single screen of this size; `screen` is the server's number for it. */
export function setDesktopSize(width: number, height: number, screen: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt8(viewerMessages.setDesktopSize, 0);
  bytes.writeUInt16BE(width, 2);
  bytes.writeUInt16BE(height, 4);
  bytes.writeUInt8(1, 6);
  bytes.writeUInt32BE(screen, 8);
  bytes.writeUInt16BE(width, 16);
  bytes.writeUInt16BE(height, 18);
  return bytes;
}

export function keyUp(keysym: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(viewerMessages.keyEvent, 0);
  bytes.writeUInt32BE(keysym, 4);
  return bytes;
}

export function qemuKeyUp(keysym: number, keycode: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt8(viewerMessages.qemu, 0);
  bytes.writeUInt8(QEMU_KEY_EVENT, 1);
  bytes.writeUInt32BE(keysym, 4);
  bytes.writeUInt32BE(keycode, 8);
  return bytes;
}

/** `position`: x and y as they stood in the viewer's last message. */
export function buttonsUp(position: { x: number; y: number }): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt8(viewerMessages.pointerEvent, 0);
  bytes.writeUInt16BE(position.x, 2);
  bytes.writeUInt16BE(position.y, 4);
  return bytes;
}
