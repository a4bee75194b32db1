import { HearthError, type ErrorCode, type Geometry } from '@hearth/contract';
import type { EncodingPolicy } from '@hearth/rfb';
import type { WebSocket } from 'ws';
import type { Display } from './connect-display.ts';

export interface BridgeLimits {
  /** Longest text of a clipboard, either way. */
  clipboardBytes: number;
  /** A viewer that takes nothing for so long, while there is something for it, is dropped. */
  slowViewerMs: number;
}

export interface BridgeOptions {
  /** Open already; the bridge owns it from now on. */
  socket: WebSocket;
  /** Owned by the bridge from now on. */
  display: Display;
  /** Asked at each message that would change something. */
  mayControl: () => boolean;
  policy: EncodingPolicy;
  limits: BridgeLimits;
  /** Something that the viewer sent was not passed on; the connection goes on. */
  onNotice: (code: ErrorCode) => void;
  onGeometry: (geometry: Geometry) => void;
  /** Its HearthError reason closes both sides. */
  signal: AbortSignal;
}

export interface Bridge {
  /** Both sides are closed; null where the viewer ended it in order. Never rejects. */
  ended: Promise<HearthError | null>;
  /** Lets go of whatever the viewer holds down; for the moment it loses the control. */
  releaseInput: () => void;
}

/** Relays a viewer's WebSocket and a VM's display to each other until either ends. */
export function bridgeViewer(_options: BridgeOptions): Bridge {
  throw new HearthError('internal', 'not built yet');
}
