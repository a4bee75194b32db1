import {
  terminalLimits,
  type HearthError,
  type ProviderId,
  type Terminal,
  type TerminalId,
  type TerminalNotice,
  type TerminalSize,
} from '@hearth/contract';
import type { Duplex } from 'node:stream';
import { createAnsweringTerminal } from '../pty/answering-terminal.ts';
import type { NativeModules } from '../pty/native-modules.ts';
import type { Pty } from '../pty/pty.ts';
import { createQueryFilter } from './query-filter.ts';
import { createTerminalViewer, type TerminalViewer } from './terminal-viewer.ts';

export interface TerminalSessionOptions extends TerminalSize {
  id: TerminalId;
  provider: ProviderId | null;
  createdAt: string;
  pty: Pty;
  modules: NativeModules;
  lagBytes?: number;
  /** A viewer sent what it must not. */
  onFault: (reason: HearthError) => void;
}

/** A terminal that lives on without viewers, and remembers its screen and scroll-back for the next one. */
export interface TerminalSession {
  view: () => Terminal;
  attach(stream: Duplex): void;
  /** Resolves once it has ended and its viewers know. Never rejects. */
  ended: Promise<void>;
  /** Ends what runs in it. */
  terminate(): void;
  /** Sends its viewers away. */
  close(): void;
}

/** Printed and not yet drawn: beyond it the program waits, below the lower mark it goes on. */
const MAX_UNDRAWN_BYTES = 256 * 1024;
const LOW_UNDRAWN_BYTES = 64 * 1024;
const MAX_TITLE = 200;

interface Seat {
  viewer: TerminalViewer;
  /** Of its window, once it said so. */
  size: TerminalSize | null;
}

export function createTerminalSession(options: TerminalSessionOptions): TerminalSession {
  const { id, provider, createdAt, pty, modules, lagBytes, onFault } = options;
  let size: TerminalSize = { cols: options.cols, rows: options.rows };
  let title = '';
  let undrawnBytes = 0;
  let paused = false;
  /** Set once it has ended: the last picture, for which no terminal is kept. */
  let last: { exitCode: number; screen: string } | null = null;
  const seats = new Set<Seat>();
  const withoutQueries = createQueryFilter();
  const terminal = createAnsweringTerminal({
    ...{ modules, ...size, scrollbackLines: terminalLimits.scrollbackLines },
    answer: (bytes) => pty.write(bytes),
  });

  const tell = (notice: TerminalNotice): void => {
    for (const { viewer } of seats) viewer.notice(notice);
  };
  const tellViewers = (): void => tell({ type: 'viewers', count: seats.size });
  const takeSize = (wanted: TerminalSize): void => {
    if (last !== null || (wanted.cols === size.cols && wanted.rows === size.rows)) return;
    size = { cols: wanted.cols, rows: wanted.rows };
    pty.resize(size);
    terminal.resize(size);
    tell({ type: 'size', ...size });
  };
  const showLast = (
    viewer: TerminalViewer,
    { screen, exitCode }: { screen: string; exitCode: number },
  ): void => {
    viewer.show(size, screen);
    viewer.notice({ type: 'exit', exitCode });
    viewer.end();
  };
  const show = ({ viewer }: Seat): void => {
    if (last !== null) showLast(viewer, last);
    else
      terminal.whenDrawn(() => {
        // Its end shows itself.
        if (last !== null) return;
        viewer.show(size, terminal.screen());
        viewer.notice({ type: 'viewers', count: seats.size });
        if (title !== '') viewer.notice({ type: 'title', title });
      });
  };

  terminal.onTitle((text) => {
    title = text.slice(0, MAX_TITLE);
    tell({ type: 'title', title });
  });
  pty.onData((bytes) => {
    undrawnBytes += bytes.length;
    if (!paused && undrawnBytes > MAX_UNDRAWN_BYTES) {
      paused = true;
      pty.pause();
    }
    void terminal.write(bytes).then(() => {
      undrawnBytes -= bytes.length;
      if (!paused || undrawnBytes > LOW_UNDRAWN_BYTES) return;
      paused = false;
      pty.resume();
    });
    const clean = withoutQueries(bytes);
    for (const { viewer } of seats) viewer.follow(clean);
  });
  const ended = pty.exited.then(async ({ exitCode }) => {
    await new Promise<void>((resolve) => terminal.whenDrawn(resolve));
    last = { exitCode, screen: terminal.screen() };
    terminal.dispose();
    for (const { viewer } of seats) {
      if (!viewer.isLive()) showLast(viewer, last);
      else {
        viewer.notice({ type: 'exit', exitCode });
        viewer.end();
      }
    }
  });

  return {
    ended,
    view: () => ({
      ...{ id, provider, title, createdAt, ...size },
      viewers: seats.size,
      exitCode: last?.exitCode ?? null,
    }),
    attach: (stream) => {
      const seat: Seat = {
        size: null,
        viewer: createTerminalViewer(
          stream,
          {
            onInput: (bytes) => {
              if (last !== null) return;
              if (seat.size !== null) takeSize(seat.size);
              pty.write(bytes);
            },
            onResize: (wanted) => {
              seat.size = wanted;
              takeSize(wanted);
            },
            onReady: () => show(seat),
            onGone: (reason) => {
              if (reason !== null) onFault(reason);
              seats.delete(seat);
              tellViewers();
            },
          },
          lagBytes,
        ),
      };
      seats.add(seat);
      show(seat);
      if (last === null) tellViewers();
    },
    terminate: () => pty.terminate(),
    close: () => {
      for (const { viewer } of seats) viewer.destroy();
    },
  };
}
