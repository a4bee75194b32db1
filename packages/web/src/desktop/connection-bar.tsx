import { useEffect, useRef, useState, type ReactElement, type RefObject } from 'react';
import { Link } from 'react-router';
import { Flame, Icon, type IconName } from '../design/icon.tsx';
import { formatBytes } from '../files/bytes.ts';
import type { ConnectionState } from './connection.ts';
import type { Measurement } from './measure.ts';

export type PanelName = 'picture' | 'clipboard' | 'keys' | 'files' | 'people';

/** The bar goes away so long after the pointer left it. */
const AWAY_MS = 2500;

export interface ConnectionBarProps {
  vmId: string;
  handle: RefObject<HTMLButtonElement | null>;
  state: ConnectionState;
  measured: Measurement;
  viewers: number;
  /** Panels that there are. */
  panels: readonly PanelName[];
  open: PanelName | null;
  onOpen: (panel: PanelName | null) => void;
  onKeyboard: () => void;
  onFullScreen: () => void;
  fullScreen: boolean;
  /** Something goes on that the bar must not hide. */
  busy: boolean;
  /** Whoever watches may see the VM's other pages. */
  wayBack: boolean;
  /** Gives the keyboard back to the desktop. */
  onLeave: () => void;
}

const words: Readonly<Record<PanelName, { label: string; icon: IconName }>> = {
  picture: { label: 'Picture', icon: 'gauge' },
  clipboard: { label: 'Clipboard', icon: 'clipboard' },
  keys: { label: 'Keys', icon: 'keys' },
  files: { label: 'Files', icon: 'files' },
  people: { label: 'Viewers', icon: 'people' },
};

/** Tools over the desktop. Only its handle stays when they aren't used. */
export function ConnectionBar(props: ConnectionBarProps): ReactElement {
  const { vmId, handle, state, measured, viewers, panels, open, onOpen, busy } = props;
  const { shown, pinned, toggle, hover, unhover } = useShown(open !== null || busy);
  return (
    <div
      className={`bar-place ${shown ? 'shown' : ''}`}
      onPointerEnter={({ pointerType }) => {
        if (pointerType === 'mouse') hover();
      }}
      onPointerLeave={unhover}
      onFocus={hover}
      onBlur={unhover}
      onKeyDown={({ key }) => {
        if (key === 'Escape') props.onLeave();
      }}
    >
      <nav className="connection-bar" aria-label="Desktop tools">
        <button
          ref={handle}
          type="button"
          className="bar-handle"
          aria-expanded={shown}
          title="Tools (Ctrl+Alt+Shift)"
          aria-label={`${shown && pinned ? 'Hide' : 'Show'} the desktop’s tools; ${stateLabel(state)}`}
          onClick={() => {
            if (pinned) onOpen(null);
            toggle();
          }}
        >
          <Flame size={20} />
          <span className={`state-dot ${state.kind}`} />
        </button>
        {shown ? (
          <>
            <span className="bar-state small" title="Screen round trip · picture data">
              {state.kind === 'connected' ? <Speed measured={measured} /> : stateLabel(state)}
            </span>
            {panels.map((name) => (
              <BarButton
                key={name}
                icon={words[name].icon}
                label={words[name].label}
                pressed={open === name}
                {...(name === 'people' && viewers > 1 ? { count: viewers } : {})}
                onClick={() => onOpen(open === name ? null : name)}
              />
            ))}
            <BarButton icon="keyboard" label="Keyboard" touch onClick={props.onKeyboard} />
            <BarButton
              icon="full"
              label={props.fullScreen ? 'Leave full screen' : 'Full screen'}
              pressed={props.fullScreen}
              onClick={props.onFullScreen}
            />
            {props.wayBack ? (
              <Link
                className="bar-button"
                to={`/vms/${vmId}`}
                title="About this VM"
                aria-label="About this VM"
              >
                <Icon name="back" />
              </Link>
            ) : null}
          </>
        ) : null}
      </nav>
    </div>
  );
}

/** Shown: by the pointer or the focus on it, by a press on the handle until the next, or because it must be. */
function useShown(needed: boolean): {
  shown: boolean;
  pinned: boolean;
  toggle: () => void;
  hover: () => void;
  unhover: () => void;
} {
  const [pinned, setPinned] = useState(false);
  // It shows itself at first, so that one knows of it.
  const [near, setNear] = useState(true);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const unhover = (): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setNear(false), AWAY_MS);
  };
  useEffect(() => {
    timer.current = setTimeout(() => setNear(false), 2 * AWAY_MS);
    return () => clearTimeout(timer.current);
  }, []);
  return {
    shown: pinned || near || needed,
    pinned: pinned || needed,
    toggle: () => {
      clearTimeout(timer.current);
      setPinned(!(pinned || needed));
      setNear(false);
    },
    hover: () => {
      clearTimeout(timer.current);
      setNear(true);
    },
    unhover,
  };
}

function stateLabel({ kind }: ConnectionState): string {
  const labels: Readonly<Record<ConnectionState['kind'], string>> = {
    connecting: 'connecting',
    connected: 'connected',
    waiting: 'connecting again',
    over: 'not connected',
  };
  return labels[kind];
}

function Speed({ measured: { bytesPerSecond, roundTripMs } }: { measured: Measurement }): ReactElement {
  return (
    <>
      <span>{roundTripMs === null ? '– ms' : `${Math.round(roundTripMs)} ms`}</span>
      <span className="muted">{bytesPerSecond === null ? '' : `${formatBytes(bytesPerSecond)}/s`}</span>
    </>
  );
}

interface BarButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  count?: number;
  /** Of use with a touch screen only. */
  touch?: boolean;
}

function BarButton({ icon, label, onClick, pressed, count, touch }: BarButtonProps): ReactElement {
  return (
    <button
      type="button"
      className={`bar-button ${touch === true ? 'touch-only' : ''}`}
      title={label}
      aria-label={count === undefined ? label : `${label}: ${count}`}
      aria-pressed={pressed}
      onClick={onClick}
    >
      <Icon name={icon} />
      {count === undefined ? null : <span className="bar-count">{count}</span>}
    </button>
  );
}
