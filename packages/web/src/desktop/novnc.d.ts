/** What the pages use of noVNC 1.7 (docs/API.md of the package), which brings no types. */
declare module '@novnc/novnc' {
  export interface RfbEvents {
    connect: CustomEvent<Record<string, never>>;
    disconnect: CustomEvent<{ clean: boolean }>;
    clipboard: CustomEvent<{ text: string }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
  }

  export default class RFB {
    /** @param channel an open or opening WebSocket; noVNC takes over its `on…` handlers */
    constructor(target: HTMLElement, channel: WebSocket, options?: { shared?: boolean });
    viewOnly: boolean;
    clipViewport: boolean;
    dragViewport: boolean;
    scaleViewport: boolean;
    resizeSession: boolean;
    showDotCursor: boolean;
    /** CSS value of what is around the picture. */
    background: string;
    /** 0 to 9 (best). */
    qualityLevel: number;
    /** 0 to 9 (smallest). */
    compressionLevel: number;
    disconnect(): void;
    /** @param down down and up where left out */
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    clipboardPasteFrom(text: string): void;
    addEventListener<K extends keyof RfbEvents>(type: K, listener: (event: RfbEvents[K]) => void): void;
  }
}
