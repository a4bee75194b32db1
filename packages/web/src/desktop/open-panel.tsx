import type { ControlAction, DesktopState, ViewerId } from '@hearth/contract';
import type { ReactElement } from 'react';
import { ClipboardPanel } from '../clipboard/clipboard-panel.tsx';
import type { SharedClipboard } from '../clipboard/use-clipboard.ts';
import { FilesPanel } from '../files/files-panel.tsx';
import type { Uploads } from '../files/use-uploads.ts';
import type { PanelName } from './connection-bar.tsx';
import type { ControlSituation } from './control.ts';
import { KeysPanel } from './keys-panel.tsx';
import type { Key } from './keysyms.ts';
import type { Measurement } from './measure.ts';
import { Panel } from './panel.tsx';
import { PeoplePanel } from './people-panel.tsx';
import { PicturePanel } from './picture-panel.tsx';
import type { Preferences } from './preferences.ts';
import type { Sticky } from './use-sticky-keys.ts';

export interface OpenPanelProps {
  panel: PanelName;
  vmId: string;
  preferences: Preferences;
  onPreferences: (preferences: Preferences) => void;
  measured: Measurement;
  desktop: DesktopState | null;
  viewerId: ViewerId | null;
  situation: ControlSituation | null;
  act: (action: ControlAction) => void;
  clipboard: SharedClipboard;
  sticky: Sticky;
  onChord: (chord: readonly Key[]) => void;
  uploads: Uploads;
  /** What this viewer sends reaches the desktop. */
  able: boolean;
  onClose: () => void;
}

const titles: Readonly<Record<PanelName, string>> = {
  picture: 'Picture',
  clipboard: 'Clipboard',
  keys: 'Keys',
  files: 'Files',
  people: 'Viewers',
};

export function OpenPanel(props: OpenPanelProps): ReactElement {
  return (
    <Panel key={props.panel} title={titles[props.panel]} onClose={props.onClose}>
      <Content {...props} />
    </Panel>
  );
}

function Content(props: OpenPanelProps): ReactElement | null {
  const { panel, preferences, onPreferences, desktop, able } = props;
  switch (panel) {
    case 'picture': {
      const geometry = desktop?.geometry ?? null;
      return (
        <PicturePanel
          preferences={preferences}
          onChange={onPreferences}
          measured={props.measured}
          controls={able}
          size={geometry === null ? null : `${geometry.width} × ${geometry.height}`}
        />
      );
    }
    case 'clipboard':
      return (
        <ClipboardPanel
          clipboard={props.clipboard}
          share={preferences.shareClipboard}
          onShare={(shareClipboard) => onPreferences({ ...preferences, shareClipboard })}
          disabled={!able}
        />
      );
    case 'keys':
      return <KeysPanel sticky={props.sticky} onChord={props.onChord} disabled={!able} />;
    case 'files':
      return <FilesPanel vmId={props.vmId} uploads={props.uploads} />;
    case 'people':
      return desktop === null || props.situation === null ? (
        <p className="muted small">Who else is here is not known yet.</p>
      ) : (
        <PeoplePanel desktop={desktop} me={props.viewerId} situation={props.situation} act={props.act} />
      );
  }
}
