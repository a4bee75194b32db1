import {
  HearthError,
  type ControlAction,
  type DesktopMode,
  type UserId,
  type ViewerId,
} from '@hearth/contract';

/** A viewer of a desktop. Its connection may be lost; it keeps its place for a while then. */
export interface Seat {
  viewerId: ViewerId;
  userId: UserId;
  /** Name of the user. */
  user: string;
  mode: DesktopMode;
  /** Owner of the VM or administrator: takes the control at once. */
  mayTake: boolean;
  /** Number of its newest connection; two connections never share one. */
  connection: number;
  connected: boolean;
  since: string;
}

/** Who watches a desktop, and who drives it. */
export interface Seats {
  /** In the order in which they came. */
  readonly seats: readonly Seat[];
  readonly controllerId: ViewerId | null;
  /** Who asks for the control, in order. */
  readonly requests: readonly ViewerId[];
}

export const noSeats: Seats = { seats: [], controllerId: null, requests: [] };

export type SeatEvent =
  /** A connection with a ticket; the same viewer again takes up its place. `limit`: viewers at once. */
  | { type: 'join'; seat: Omit<Seat, 'connected'>; claim: boolean; limit: number }
  | { type: 'connection_lost'; viewerId: ViewerId; connection: number }
  /** It said goodbye, or its time to come back is over. */
  | { type: 'leave'; viewerId: ViewerId; connection: number }
  | { type: 'act'; userId: UserId; action: ControlAction };

export type SeatEffect =
  | { type: 'replaced'; connection: number }
  /** What this viewer holds down must be let go. */
  | { type: 'control_lost'; connection: number };

export interface SeatStep {
  next: Seats;
  effects: SeatEffect[];
}

const seatOf = ({ seats }: Seats, viewerId: ViewerId): Seat | undefined =>
  seats.find((seat) => seat.viewerId === viewerId);

/**
 * state × event → state, and what must be done about it. Gives the same state where nothing changes.
 * Throws viewer_limit, not_found, forbidden or conflict where the event is refused.
 */
export function moveSeats(state: Seats, event: SeatEvent): SeatStep {
  switch (event.type) {
    case 'join':
      return join(state, event);
    case 'connection_lost':
      return replaceSeat(state, event, (seat) => ({ ...seat, connected: false }));
    case 'leave':
      return replaceSeat(state, event, () => null);
    case 'act':
      return act(state, event.userId, event.action);
  }
}

function join(state: Seats, { seat, claim, limit }: Extract<SeatEvent, { type: 'join' }>): SeatStep {
  const known = seatOf(state, seat.viewerId);
  if (known !== undefined && known.userId !== seat.userId)
    throw new HearthError('forbidden', `${seat.viewerId} is the view of another user`);
  const others = withoutGhost(state, seat.viewerId, limit);
  const arrived: Seat = { ...seat, connected: true, since: known?.since ?? seat.since };
  const seats =
    known === undefined
      ? [...others.seats, arrived]
      : others.seats.map((one) => (one === known ? arrived : one));
  const mayControl = seat.mode === 'control';
  const kept = others.controllerId === seat.viewerId && !mayControl ? null : others.controllerId;
  const free = kept === null || isOwnGhost(others, kept, seat);
  const controllerId = free && mayControl && claim ? seat.viewerId : kept;
  const requests = others.requests.filter(
    (id) => id !== controllerId && (id !== seat.viewerId || mayControl),
  );
  return {
    next: { seats, controllerId, requests },
    effects: known?.connected === true ? [{ type: 'replaced', connection: known.connection }] : [],
  };
}

/** A window of the same user that went away: who closes one and opens another goes on at once. */
function isOwnGhost(state: Seats, viewerId: ViewerId, { userId }: Pick<Seat, 'userId'>): boolean {
  const seat = seatOf(state, viewerId);
  return seat !== undefined && !seat.connected && seat.userId === userId;
}

/** Makes room for one more: a viewer that lost its connection gives way where there are too many. */
function withoutGhost(state: Seats, viewerId: ViewerId, limit: number): Seats {
  const others = state.seats.filter((seat) => seat.viewerId !== viewerId);
  if (others.length < limit) return state;
  const ghosts = others.filter(({ connected }) => !connected);
  const ghost = ghosts.find((seat) => seat.viewerId !== state.controllerId) ?? ghosts[0];
  if (ghost === undefined)
    throw new HearthError('viewer_limit', `${limit} viewers watch this desktop, and no more are allowed`);
  return without(state, ghost.viewerId);
}

function without(state: Seats, viewerId: ViewerId): Seats {
  return {
    seats: state.seats.filter((seat) => seat.viewerId !== viewerId),
    controllerId: state.controllerId === viewerId ? null : state.controllerId,
    requests: state.requests.filter((id) => id !== viewerId),
  };
}

/** Of a connection that was replaced meanwhile nothing counts any more. */
function replaceSeat(
  state: Seats,
  { viewerId, connection }: { viewerId: ViewerId; connection: number },
  change: (seat: Seat) => Seat | null,
): SeatStep {
  const seat = seatOf(state, viewerId);
  if (seat?.connection !== connection) return { next: state, effects: [] };
  const changed = change(seat);
  const next =
    changed === null
      ? without(state, viewerId)
      : { ...state, seats: state.seats.map((one) => (one === seat ? changed : one)) };
  return { next, effects: [] };
}

function act(state: Seats, userId: UserId, action: ControlAction): SeatStep {
  const seat = seatOf(state, action.viewerId);
  if (seat === undefined)
    throw new HearthError('not_found', `${action.viewerId} does not watch this desktop`, {
      hint: 'Open the desktop again.',
    });
  if (seat.userId !== userId)
    throw new HearthError('forbidden', `${action.viewerId} is the view of another user`);
  const { controllerId, requests } = state;
  const controls = controllerId === seat.viewerId;
  switch (action.action) {
    case 'ask':
      requireControlMode(seat);
      if (controllerId === null) return handTo(state, seat.viewerId);
      if (controls || requests.includes(seat.viewerId)) return { next: state, effects: [] };
      return { next: { ...state, requests: [...requests, seat.viewerId] }, effects: [] };
    case 'take':
      requireControlMode(seat);
      if (controllerId !== null && !controls && !seat.mayTake)
        throw new HearthError('forbidden', 'another viewer has the control', {
          hint: 'Ask for it; whoever has the control can give it.',
        });
      return handTo(state, seat.viewerId);
    case 'release':
      return controls ? handTo(state, null) : { next: state, effects: [] };
    case 'give': {
      requireControl(seat, controls);
      const to = seatOf(state, action.to);
      if (to === undefined) throw new HearthError('not_found', `${action.to} does not watch this desktop`);
      if (!to.connected || to.mode !== 'control')
        throw new HearthError(
          'conflict',
          to.connected ? `${to.viewerId} only watches` : `${to.viewerId} lost its connection`,
          { hint: 'Give the control to a viewer that may have it.' },
        );
      return handTo(state, to.viewerId);
    }
    case 'decline':
      requireControl(seat, controls);
      if (!requests.includes(action.to)) return { next: state, effects: [] };
      return { next: { ...state, requests: requests.filter((id) => id !== action.to) }, effects: [] };
  }
}

function handTo(state: Seats, viewerId: ViewerId | null): SeatStep {
  if (state.controllerId === viewerId) return { next: state, effects: [] };
  const before = state.seats.find((seat) => seat.viewerId === state.controllerId);
  return {
    next: { ...state, controllerId: viewerId, requests: state.requests.filter((id) => id !== viewerId) },
    effects: before?.connected === true ? [{ type: 'control_lost', connection: before.connection }] : [],
  };
}

function requireControlMode({ mode, viewerId }: Seat): void {
  if (mode !== 'control')
    throw new HearthError('forbidden', `${viewerId} only watches: its ticket was for mode \`view\``, {
      hint: 'Open the desktop with a ticket for mode `control`.',
    });
}

function requireControl({ viewerId }: Seat, controls: boolean): void {
  if (!controls)
    throw new HearthError('forbidden', `${viewerId} does not have the control`, {
      hint: 'Only whoever has the control gives it or declines a request.',
    });
}
