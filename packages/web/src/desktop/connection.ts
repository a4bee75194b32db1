import { asHearthError, errorOfClose, HearthError } from '@hearth/contract';
import RFB from '@novnc/novnc';
import { pauseUnlessWoken } from '../api/waiting.ts';
import { applyFit, resizeWhenSettled, type Fit } from './fit.ts';
import { keys, type Key } from './keysyms.ts';
import { measure, type Measurement } from './measure.ts';
import { levelsOf, type QualityChoice } from './quality.ts';
import { nextStep } from './reconnect-policy.ts';

/** connecting: a ticket is asked for or the handshake goes on; waiting: a pause before the next try; over: no further try by itself. */
export type ConnectionState =
  | { kind: 'connecting'; error: HearthError | null }
  | { kind: 'connected' }
  | { kind: 'waiting'; error: HearthError }
  | { kind: 'over'; error: HearthError };

export interface ConnectionEvents {
  onState: (state: ConnectionState) => void;
  /** Text that the desktop put on its clipboard. */
  onClipboard: (text: string) => void;
  onMeasured: (measurement: Measurement) => void;
  /** A key was typed on this page's own keyboard into the desktop. */
  onKeyTyped: () => void;
  /** The picture is painted from now on by this canvas. */
  onCanvas: (canvas: HTMLCanvasElement) => void;
}

export interface ConnectionOptions {
  target: HTMLElement;
  /** Path of a WebSocket that opens once. Throws HearthError. */
  nextPath: (signal: AbortSignal) => Promise<string>;
  /** There is only that one path. */
  fromLink: boolean;
  events: ConnectionEvents;
}

/** A connection that lasted so long has worked: after it the next is tried at once. */
const WORKED_MS = 5000;
const MODIFIERS: ReadonlySet<string> = new Set(['Shift', 'Control', 'Alt', 'AltGraph', 'Meta']);

/** A handshake takes milliseconds; a WebSocket that never opens must not be waited for. */
const CONNECT_TIMEOUT_MS = 20_000;

/** The view of one desktop, over as many connections as it takes. */
export class DesktopConnection {
  readonly #options: ConnectionOptions;
  readonly #leaving = new AbortController();
  #rfb: RFB | null = null;
  #socket: WebSocket | null = null;
  #hurry = new AbortController();
  #running = false;
  #fit: Fit = 'resize';
  #viewOnly = false;
  #quality: Exclude<QualityChoice, 'auto'> = 'sharp';

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Connects, and again whenever that may help, until `close`; where it gave up, the next call tries anew. */
  connect(): void {
    this.#hurry.abort();
    if (this.#running) return;
    this.#running = true;
    void this.#run().finally(() => (this.#running = false));
  }

  close(): void {
    this.#leaving.abort(new HearthError('aborted', 'the page was left'));
    this.#hurry.abort();
    // An orderly end: the place, and the control with it, is free for others at once.
    this.#socket?.close(1000);
    this.#rfb?.disconnect();
  }

  setFit(fit: Fit): void {
    this.#fit = fit;
    this.#applyFit();
  }

  setViewOnly(viewOnly: boolean): void {
    if (this.#viewOnly === viewOnly) return;
    this.#viewOnly = viewOnly;
    const rfb = this.#rfb;
    if (rfb === null) return;
    rfb.viewOnly = viewOnly;
    if (viewOnly) return;
    // Who has the control now also has the say over the size, and the keyboard.
    this.#applyFit();
    rfb.focus({ preventScroll: true });
  }

  setQuality(quality: Exclude<QualityChoice, 'auto'>): void {
    this.#quality = quality;
    if (this.#rfb !== null) Object.assign(this.#rfb, levelsOf(quality));
  }

  /** @param down down and up where left out */
  sendKey({ keysym, code }: Key, down?: boolean): void {
    this.#rfb?.sendKey(keysym, code, down);
  }

  /** Presses keys together, in that order, and lets go of them in the reverse. */
  sendChord(chord: readonly Key[]): void {
    for (const key of chord) this.sendKey(key, true);
    for (const key of chord.toReversed()) this.sendKey(key, false);
  }

  sendText(keysyms: readonly number[]): void {
    for (const keysym of keysyms) this.#rfb?.sendKey(keysym, null);
  }

  /** No modifier stays down in the desktop when the keyboard goes elsewhere. */
  releaseModifiers(): void {
    const { Shift, ShiftRight, Control, ControlRight, Alt, AltRight, Super } = keys;
    for (const key of [Shift, ShiftRight, Control, ControlRight, Alt, AltRight, Super])
      this.sendKey(key, false);
  }

  paste(text: string): void {
    this.#rfb?.clipboardPasteFrom(text);
  }

  focus(): void {
    this.#rfb?.focus({ preventScroll: true });
  }

  #applyFit(): void {
    const { target } = this.#options;
    if (this.#rfb !== null && this.#socket !== null)
      applyFit({ rfb: this.#rfb, target, socket: this.#socket }, this.#fit);
  }

  async #run(): Promise<void> {
    const { events, fromLink } = this.#options;
    const { signal } = this.#leaving;
    const over = (): boolean => signal.aborted;
    let failures = 0;
    let error: HearthError | null = null;
    while (!over()) {
      events.onState({ kind: 'connecting', error });
      const end = await this.#connectOnce();
      if (over()) return;
      failures = end.worked ? 0 : failures + 1;
      error = end.error ?? new HearthError('controller_unreachable', 'the connection broke off');
      const next = nextStep({ code: end.error?.code ?? null, failures, fromLink }, Math.random());
      if (next.step === 'stop') {
        events.onState({ kind: 'over', error });
        return;
      }
      events.onState({ kind: 'waiting', error });
      this.#hurry = new AbortController();
      await pauseUnlessWoken(next.afterMs, AbortSignal.any([signal, this.#hurry.signal]));
    }
  }

  /** @returns once the connection is over: by which error of ours, if any, and whether it had worked */
  async #connectOnce(): Promise<{ error: HearthError | null; worked: boolean }> {
    const { target, nextPath, events } = this.#options;
    let path: string;
    try {
      path = await nextPath(this.#leaving.signal);
    } catch (cause) {
      return { error: asHearthError(cause), worked: false };
    }
    const address = new URL(path, location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    this.#socket = socket;
    let closed: HearthError | null = null;
    // Before noVNC's own: it hides the code. (There is no room for a detail in it.)
    socket.addEventListener('close', ({ code, reason }) => {
      const known = errorOfClose(code, reason);
      if (known !== null) closed = new HearthError(known, '');
    });
    const rfb = new RFB(target, socket, { shared: true });
    this.#rfb = rfb;
    rfb.background = 'transparent';
    rfb.viewOnly = this.#viewOnly;
    this.#applyFit();
    Object.assign(rfb, levelsOf(this.#quality));
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const ends: (() => void)[] = [];
    const connected: { sinceMs: number | null } = { sinceMs: null };
    const slow = setTimeout(() => rfb.disconnect(), CONNECT_TIMEOUT_MS);
    rfb.addEventListener('connect', () => {
      connected.sinceMs = performance.now();
      clearTimeout(slow);
      const canvas = target.querySelector('canvas');
      if (canvas !== null) {
        canvas.setAttribute('aria-label', 'Desktop; Ctrl+Alt+Shift leads out of it');
        canvas.addEventListener('keyup', ({ key }) => {
          if (!MODIFIERS.has(key)) events.onKeyTyped();
        });
        events.onCanvas(canvas);
      }
      ends.push(
        resizeWhenSettled({ rfb, target, socket }, () => this.#fit),
        measure(socket, events.onMeasured),
      );
      // A narrow window's wish could not be sent before.
      this.#applyFit();
      events.onState({ kind: 'connected' });
      if (document.activeElement === document.body) rfb.focus({ preventScroll: true });
    });
    rfb.addEventListener('clipboard', ({ detail }) => events.onClipboard(detail.text));
    rfb.addEventListener('disconnect', () => resolve(undefined));
    try {
      await promise;
      // noVNC may give up before the socket says why.
      if (socket.readyState !== WebSocket.CLOSED) await closing(socket);
    } finally {
      clearTimeout(slow);
      for (const end of ends) end();
      this.#rfb = null;
      this.#socket = null;
    }
    const { sinceMs } = connected;
    return { error: closed, worked: sinceMs !== null && performance.now() - sinceMs > WORKED_MS };
  }
}

const CLOSING_TIMEOUT_MS = 1000;

function closing(socket: WebSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), CLOSING_TIMEOUT_MS);
  socket.addEventListener('close', () => resolve(undefined), { once: true });
  return promise.finally(() => clearTimeout(timer));
}
