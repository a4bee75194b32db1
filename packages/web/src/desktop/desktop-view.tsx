import type { Me, Vm } from '@hearth/contract';
import { useCallback, useEffect, useRef, useState, type ReactElement } from 'react';
import { useClipboard } from '../clipboard/use-clipboard.ts';
import { OfflineBanner } from '../design/page-frame.tsx';
import { useDropping } from '../files/use-dropping.ts';
import { useUploads } from '../files/use-uploads.ts';
import { ConnectionBar, type PanelName } from './connection-bar.tsx';
import { ControlBanner } from './control-banner.tsx';
import { controlSituation } from './control.ts';
import './desktop.css';
import { OnScreenKeyboard } from './on-screen-keyboard.tsx';
import { OpenPanel } from './open-panel.tsx';
import { keepPreferences, readPreferences, type Preferences } from './preferences.ts';
import { StatusOverlay } from './status-overlay.tsx';
import { useToasts } from './toasts.tsx';
import { useConnection } from './use-connection.ts';
import { useDesktopState } from './use-desktop-state.ts';
import { useFullScreen } from './use-full-screen.ts';
import { useStickyKeys } from './use-sticky-keys.ts';
import { useWayOut } from './use-way-out.ts';

export interface DesktopViewProps {
  vmId: string;
  /** null where the view was opened by a link's ticket: nothing but the picture is known then. */
  signedIn: { vm: Vm; me: Me | undefined } | null;
  linkTicket: string | null;
  /** A part of another page, not a page of its own. */
  embedded?: boolean;
}

/** What a link's ticket opens beside the picture. */
const LINK_PANELS: readonly PanelName[] = ['picture', 'clipboard', 'keys'];
const ALL_PANELS: readonly PanelName[] = [...LINK_PANELS, 'files', 'people'];

/** The desktop and everything around it. */
export function DesktopView({
  vmId,
  signedIn,
  linkTicket,
  embedded = false,
}: DesktopViewProps): ReactElement {
  const frame = useRef<HTMLElement>(null);
  const { say, toasts } = useToasts();
  const [preferences, setPreferences] = useState(readPreferences);
  const [panel, setPanel] = useState<PanelName | null>(null);
  const choose = useCallback((next: Preferences): void => {
    setPreferences(next);
    keepPreferences(next);
  }, []);
  const handlers = useRef({
    clipboard: (_text: string) => undefined as unknown,
    typed: () => undefined as unknown,
  });
  const connected = useConnection({
    vmId,
    linkTicket,
    preferences,
    onClipboard: (text) => handlers.current.clipboard(text),
    onKeyTyped: () => handlers.current.typed(),
  });
  const { connection, state, viewerId, measured, target, lastPicture, noteControl, reconnect } = connected;
  const isConnected = state.kind === 'connected';
  const { desktop, act } = useDesktopState(vmId, viewerId, signedIn !== null, say);
  const { me, vm } = signedIn ?? {};
  const privileged = me !== undefined && (me.role === 'admin' || me.userId === vm?.userId);
  const situation =
    desktop === null || viewerId === null ? null : controlSituation(desktop, viewerId, privileged);
  // Until the server says who controls, this viewer may: it enforces that anyway.
  const present = desktop?.viewers.some(({ id }) => id === viewerId) ?? false;
  const controls = situation === null || !present || situation.controls;
  const able = isConnected && controls;
  useEffect(() => {
    connection?.setViewOnly(!controls);
    noteControl(controls);
  }, [connection, controls, noteControl]);

  const sticky = useStickyKeys(connection, able);
  const stopSharing = (why: string): void => {
    choose({ ...preferences, shareClipboard: false });
    say({ text: why, bad: true });
  };
  const clipboard = useClipboard(connection, able, preferences.shareClipboard, stopSharing, say);
  handlers.current = { clipboard: clipboard.take, typed: sticky.typed };

  const uploads = useUploads(vmId);
  const dropping = useDropping(signedIn !== null, (files) => {
    uploads.add(files);
    setPanel('files');
  });
  const { fullScreen, toggle: toggleFullScreen } = useFullScreen(
    // Of a page in which it is a part, the desktop alone fills the screen.
    () => (embedded ? frame.current : null) ?? document.documentElement,
    (text) => say({ text, bad: true }),
  );
  const handle = useRef<HTMLButtonElement>(null);
  const keyboardField = useRef<HTMLTextAreaElement>(null);
  useWayOut(() => {
    connection?.releaseModifiers();
    handle.current?.focus();
  });
  const closePanel = (): void => {
    setPanel(null);
    handle.current?.focus();
  };

  const Frame = embedded ? 'section' : 'main';
  return (
    <Frame
      ref={frame}
      className={`desktop-page ${embedded ? 'embedded' : ''}`}
      aria-label={embedded ? 'Desktop' : undefined}
    >
      {embedded ? null : <h1 className="hidden-text">Desktop of {vmId}</h1>}
      <canvas ref={lastPicture} className={`last-picture ${isConnected ? 'gone' : ''}`} aria-hidden="true" />
      <div
        ref={target}
        className={`screen ${isConnected ? '' : 'waiting'} ${preferences.fit === 'actual' ? 'actual' : ''}`}
        onPointerDownCapture={() => setPanel(null)}
      />
      <OnScreenKeyboard
        field={keyboardField}
        onText={(keysyms) => {
          connection?.sendText(keysyms);
          if (keysyms.length > 0) sticky.typed();
        }}
        onKey={(key) => {
          connection?.sendKey(key);
          sticky.typed();
        }}
      />
      <div className="over-top">
        {embedded ? null : <OfflineBanner />}
        <ConnectionBar
          vmId={vmId}
          handle={handle}
          state={state}
          measured={measured}
          viewers={desktop?.viewers.length ?? 0}
          panels={signedIn === null ? LINK_PANELS : ALL_PANELS}
          open={panel}
          onOpen={setPanel}
          onKeyboard={() => keyboardField.current?.focus()}
          onFullScreen={() => {
            toggleFullScreen();
            connection?.focus();
          }}
          fullScreen={fullScreen}
          wayBack={signedIn !== null && !embedded}
          onLeave={() => connection?.focus()}
          busy={uploads.uploads.some((upload) => upload.state === 'sending')}
        />
        {isConnected && present && situation !== null && viewerId !== null ? (
          <ControlBanner me={viewerId} situation={situation} act={act} />
        ) : null}
        {panel === null ? null : (
          <OpenPanel
            {...{
              panel,
              vmId,
              preferences,
              measured,
              desktop,
              viewerId,
              situation,
              act,
              clipboard,
              sticky,
              uploads,
            }}
            able={able}
            onPreferences={choose}
            onChord={(chord) => {
              connection?.sendChord(chord);
              sticky.typed();
            }}
            onClose={closePanel}
          />
        )}
      </div>
      <StatusOverlay vmId={vmId} state={state} fromLink={linkTicket !== null} onReconnect={reconnect} />
      {dropping ? <div className="drop-here">Drop to put into the desktop’s Downloads</div> : null}
      {toasts}
    </Frame>
  );
}
