import { HearthError, ticketSchema, type CreateTicket, type ViewerId } from '@hearth/contract';
import { useEffect, useRef, useState, type RefObject } from 'react';
import { call } from '../api/request.ts';
import { DesktopConnection, type ConnectionState } from './connection.ts';
import { socketPath } from './link-ticket.ts';
import type { Measurement } from './measure.ts';
import type { Preferences } from './preferences.ts';
import { fittingQuality } from './quality.ts';
import { leavePlace, takeUpPlace } from './viewer-place.ts';

export interface Connected {
  /** noVNC paints into this. */
  target: RefObject<HTMLDivElement | null>;
  /** Keeps the last picture while there is no connection. */
  lastPicture: RefObject<HTMLCanvasElement | null>;
  connection: DesktopConnection | null;
  state: ConnectionState;
  viewerId: ViewerId | null;
  measured: Measurement;
  /** Tells whether this viewer has the control, which it claims again after a break. */
  noteControl: (controls: boolean) => void;
  /** Connects now; as a new viewer where this one's place was taken. */
  reconnect: () => void;
}

export interface ConnectionWishes {
  vmId: string;
  /** A ticket that came with the address; the only one then. */
  linkTicket: string | null;
  preferences: Preferences;
  onClipboard: (text: string) => void;
  onKeyTyped: () => void;
}

const nothingMeasured: Measurement = { bytesPerSecond: null, roundTripMs: null };

/** Shows a desktop for as long as the component is there. */
export function useConnection(wishes: ConnectionWishes): Connected {
  const { vmId, linkTicket, preferences } = wishes;
  const target = useRef<HTMLDivElement>(null);
  const lastPicture = useRef<HTMLCanvasElement>(null);
  const place = useRef<{ viewerId: ViewerId | null; hadControl: boolean }>({
    viewerId: null,
    hadControl: true,
  });
  const [connection, setConnection] = useState<DesktopConnection | null>(null);
  const [state, setState] = useState<ConnectionState>({ kind: 'connecting', error: null });
  const [viewerId, setViewerId] = useState<ViewerId | null>(null);
  const [measured, setMeasured] = useState(nothingMeasured);
  const latest = useRef(wishes);
  latest.current = wishes;

  useEffect(() => {
    const element = target.current;
    if (element === null) return;
    if (linkTicket === null) place.current = takeUpPlace(vmId) ?? { viewerId: null, hadControl: true };
    let canvas: HTMLCanvasElement | null = null;
    let quality: Parameters<DesktopConnection['setQuality']>[0] = 'sharp';
    const nextPath = async (signal: AbortSignal): Promise<string> => {
      if (linkTicket !== null) return socketPath(vmId, linkTicket);
      const { viewerId: known, hadControl } = place.current;
      const body: CreateTicket = {
        mode: 'control',
        claim: hadControl,
        ...(known === null ? {} : { viewerId: known }),
      };
      const ticket = await call('POST', ticketSchema, `/api/vms/${encodeURIComponent(vmId)}/desktop/ticket`, {
        body,
        signal,
      });
      place.current.viewerId = ticket.viewerId;
      setViewerId(ticket.viewerId);
      return ticket.path;
    };
    const view = new DesktopConnection({
      target: element,
      nextPath,
      fromLink: linkTicket !== null,
      events: {
        onState: (next) => {
          if (next.kind !== 'connected') keepPicture(canvas, lastPicture.current);
          setState(next);
        },
        onCanvas: (next) => (canvas = next),
        onClipboard: (text) => latest.current.onClipboard(text),
        onKeyTyped: () => latest.current.onKeyTyped(),
        onMeasured: (next) => {
          setMeasured(next);
          if (latest.current.preferences.quality !== 'auto' || next.roundTripMs === null) return;
          quality = fittingQuality(quality, next.roundTripMs);
          view.setQuality(quality);
        },
      },
    });
    setConnection(view);
    view.connect();
    const leave = (): void => {
      const { viewerId: known, hadControl } = place.current;
      if (known !== null) leavePlace(vmId, { viewerId: known, hadControl });
    };
    window.addEventListener('pagehide', leave);
    return () => {
      window.removeEventListener('pagehide', leave);
      setConnection(null);
      view.close();
    };
  }, [vmId, linkTicket]);

  const { fit, quality } = preferences;
  useEffect(() => connection?.setFit(fit), [connection, fit]);
  useEffect(() => {
    if (quality !== 'auto') connection?.setQuality(quality);
  }, [connection, quality]);

  return {
    target,
    lastPicture,
    connection,
    state,
    viewerId,
    measured,
    noteControl: (controls) => {
      if (state.kind === 'connected') place.current.hadControl = controls;
    },
    reconnect: () => {
      if (state.kind === 'over' && state.error.code === 'viewer_replaced')
        place.current = { viewerId: null, hadControl: true };
      connection?.connect();
    },
  };
}

/** noVNC takes its canvas out of the page when the connection ends; what it showed stays to be seen. */
function keepPicture(canvas: HTMLCanvasElement | null, into: HTMLCanvasElement | null): void {
  if (canvas === null || into === null || canvas.width === 0 || canvas.height === 0) return;
  into.width = canvas.width;
  into.height = canvas.height;
  const context = into.getContext('2d');
  if (context === null) throw new HearthError('internal', 'the browser has no canvas to draw on');
  context.drawImage(canvas, 0, 0);
}
