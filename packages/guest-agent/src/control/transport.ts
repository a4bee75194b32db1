/** What carries the control channel's bytes: a virtio port under QEMU, a stream from systemd under Firecracker. */
export interface ControlTransport {
  /** Begins to look for the host; the listener is called from then on. */
  start(listener: ControlListener): void;
  /** Takes bytes for the host; false where no host is connected or it doesn't read, and the bytes are dropped. */
  send(bytes: Uint8Array): boolean;
  stop(): void;
}

export interface ControlListener {
  /** A host is there (again); what it and we said before is lost. */
  onConnect(): void;
  onData(chunk: Uint8Array): void;
  onDisconnect(): void;
}
