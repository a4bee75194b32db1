import {
  HearthError,
  desktopLimits,
  geometrySchema,
  toFailure,
  type ControlAction,
  type DesktopEvent,
  type DesktopState,
  type ErrorCode,
  type Geometry,
  type UserId,
  type ViewerId,
  type VmId,
} from '@hearth/contract';
import type { World } from '../clock.ts';
import { moveSeats, noSeats, type Seat, type SeatEvent, type Seats } from '../domain/desktops/seats.ts';

/** A viewer that has something dropped again and again is told of it no more often. */
const NOTICE_PERIOD_MS = 1000;

/** null: the desktop is gone, nothing follows. */
export type DesktopListener = (event: DesktopEvent | null) => void;

/** A viewer's connection, as the board reaches it. */
export interface ViewerConnection {
  /** Ends it; called once at most. */
  close: (error: HearthError) => void;
  /** It lost the control: what it holds down must be let go. */
  releaseInput: () => void;
}

/** A viewer's place at a desktop, for as long as this connection has it. */
export interface Place {
  mayControl: () => boolean;
  showGeometry: (geometry: Geometry) => void;
  notice: (code: ErrorCode) => void;
  /** The connection is over; `goodbye`: the viewer won't come back. */
  leave: (goodbye: boolean) => void;
}

export interface Arrival extends Omit<Seat, 'connection' | 'connected' | 'since'> {
  claim: boolean;
}

/** Who watches and who drives each desktop now. */
export interface DesktopBoard {
  /** Throws viewer_limit, and forbidden where the view is another user's. */
  enter(vmId: VmId, arrival: Arrival, connection: ViewerConnection): Place;
  /** Throws forbidden where the viewer is there and is another user's. */
  checkViewer(vmId: VmId, viewerId: ViewerId, userId: UserId): void;
  /** Throws not_found, forbidden or conflict. */
  act(vmId: VmId, userId: UserId, action: ControlAction): DesktopState;
  state(vmId: VmId): DesktopState;
  watch(vmId: VmId, listener: DesktopListener): () => void;
  /** Ends all desktops. */
  close(reason: HearthError): void;
  /** Desktops with viewers or listeners, for tests of leaks. */
  size(): number;
}

export interface DesktopBoardDeps {
  now: World['now'];
  /** Viewers of one desktop at once. */
  maxViewers: number;
  /**
   * Watches a VM while its desktop has viewers or listeners; `end` once it is out of reach, with the reason: its
   * viewers are closed with that, and the listeners hear the end. Gives back what ends the watching.
   */
  follow: (vmId: VmId, end: (reason: HearthError) => void) => () => void;
}

interface Desktop {
  seats: Seats;
  geometry: Geometry | null;
  connections: Map<number, ViewerConnection>;
  /** Ends of the time to come back, by the number of the lost connection. */
  ghosts: Map<number, NodeJS.Timeout>;
  listeners: Set<DesktopListener>;
  unfollow: () => void;
}

export function createDesktopBoard({ now, maxViewers, follow }: DesktopBoardDeps): DesktopBoard {
  const desktops = new Map<VmId, Desktop>();
  let connections = 0;

  const open = (vmId: VmId): Desktop => {
    const known = desktops.get(vmId);
    if (known !== undefined) return known;
    const desktop: Desktop = {
      seats: noSeats,
      geometry: null,
      connections: new Map(),
      ghosts: new Map(),
      listeners: new Set(),
      unfollow: follow(vmId, (reason) => end(vmId, reason)),
    };
    desktops.set(vmId, desktop);
    return desktop;
  };
  const tidy = (vmId: VmId, desktop: Desktop): void => {
    const idle = desktop.seats.seats.length === 0 && desktop.connections.size === 0;
    if (idle) desktop.geometry = null;
    if (!idle || desktop.listeners.size > 0 || desktops.get(vmId) !== desktop) return;
    desktops.delete(vmId);
    desktop.unfollow();
  };
  const end = (vmId: VmId, reason: HearthError): void => {
    const desktop = desktops.get(vmId);
    if (desktop === undefined) return;
    desktops.delete(vmId);
    desktop.unfollow();
    for (const timer of desktop.ghosts.values()) clearTimeout(timer);
    const reached = [...desktop.connections.values()];
    desktop.connections.clear();
    desktop.seats = noSeats;
    for (const connection of reached) connection.close(reason);
    tell(desktop, null);
  };
  const tell = ({ listeners }: Desktop, event: DesktopEvent | null): void => {
    for (const listener of [...listeners]) listener(event);
  };
  const move = (vmId: VmId, desktop: Desktop, event: SeatEvent): void => {
    const { next, effects } = moveSeats(desktop.seats, event);
    const changed = next !== desktop.seats;
    desktop.seats = next;
    for (const { type, connection } of effects) {
      const reached = desktop.connections.get(connection);
      if (type === 'control_lost') reached?.releaseInput();
      else reached?.close(new HearthError('viewer_replaced', 'the same view was opened again', { vmId }));
    }
    for (const [connection, timer] of desktop.ghosts)
      if (!next.seats.some((seat) => seat.connection === connection)) {
        clearTimeout(timer);
        desktop.ghosts.delete(connection);
      }
    // Before it is told: without viewers there is no size to tell.
    tidy(vmId, desktop);
    if (changed) tell(desktop, { type: 'desktop', desktop: view(desktop) });
  };

  const leave = (vmId: VmId, desktop: Desktop, viewerId: ViewerId, connection: number, goodbye: boolean) => {
    if (!desktop.connections.delete(connection)) return;
    move(vmId, desktop, { type: goodbye ? 'leave' : 'connection_lost', viewerId, connection });
    const seat = desktop.seats.seats.find((one) => one.connection === connection);
    if (seat === undefined) return;
    const timer = setTimeout(() => {
      desktop.ghosts.delete(connection);
      move(vmId, desktop, { type: 'leave', viewerId, connection });
    }, desktopLimits.resumeMs);
    desktop.ghosts.set(connection, timer.unref());
  };

  const enter = (vmId: VmId, { claim, ...seat }: Arrival, reached: ViewerConnection): Place => {
    const desktop = open(vmId);
    const { viewerId } = seat;
    connections += 1;
    const connection = connections;
    try {
      move(vmId, desktop, {
        type: 'join',
        seat: { ...seat, connection, since: now().toISOString() },
        claim,
        limit: maxViewers,
      });
    } catch (error) {
      tidy(vmId, desktop);
      throw error;
    }
    desktop.connections.set(connection, reached);
    const present = (): boolean => desktop.connections.has(connection);
    const noticedAtMs = new Map<ErrorCode, number>();
    return {
      mayControl: () =>
        desktop.seats.controllerId === viewerId &&
        desktop.seats.seats.some((one) => one.connection === connection),
      showGeometry: (geometry) => {
        // A guest may say anything; what no screen of ours has is not told.
        const known = geometrySchema.safeParse(geometry).data ?? null;
        const same = known?.width === desktop.geometry?.width && known?.height === desktop.geometry?.height;
        if (!present() || same) return;
        desktop.geometry = known;
        tell(desktop, { type: 'desktop', desktop: view(desktop) });
      },
      notice: (code) => {
        const atMs = performance.now();
        if (!present() || atMs - (noticedAtMs.get(code) ?? -Infinity) < NOTICE_PERIOD_MS) return;
        noticedAtMs.set(code, atMs);
        const failure = toFailure(new HearthError(code, 'what was sent was not passed on', { vmId }), now());
        tell(desktop, { type: 'notice', viewerId, failure });
      },
      leave: (goodbye) => leave(vmId, desktop, viewerId, connection, goodbye),
    };
  };

  return {
    enter,
    checkViewer: (vmId, viewerId, userId) => {
      const seat = desktops.get(vmId)?.seats.seats.find((one) => one.viewerId === viewerId);
      if (seat !== undefined && seat.userId !== userId)
        throw new HearthError('forbidden', `${viewerId} is the view of another user`);
    },
    act: (vmId, userId, action) => {
      const desktop = open(vmId);
      try {
        move(vmId, desktop, { type: 'act', userId, action });
        return view(desktop);
      } finally {
        tidy(vmId, desktop);
      }
    },
    state: (vmId) => view(desktops.get(vmId)),
    watch: (vmId, listener) => {
      const desktop = open(vmId);
      desktop.listeners.add(listener);
      return () => {
        desktop.listeners.delete(listener);
        tidy(vmId, desktop);
      };
    },
    close: (reason) => {
      for (const vmId of [...desktops.keys()]) end(vmId, reason);
    },
    size: () => desktops.size,
  };
}

function view(desktop: Desktop | undefined): DesktopState {
  const { seats, controllerId, requests } = desktop?.seats ?? noSeats;
  return {
    viewers: seats.map(({ viewerId, user, mode, connected, since }) => ({
      id: viewerId,
      user,
      mode,
      connected,
      since,
    })),
    controllerId,
    requests: [...requests],
    geometry: desktop?.geometry ?? null,
  };
}
