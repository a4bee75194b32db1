import type { ReactElement } from 'react';
import { formatBytes } from '../files/bytes.ts';
import { fits, fitWords } from './fit.ts';
import type { Measurement } from './measure.ts';
import type { Preferences } from './preferences.ts';
import { qualityChoices, qualityWords } from './quality.ts';

export interface PicturePanelProps {
  preferences: Preferences;
  onChange: (preferences: Preferences) => void;
  measured: Measurement;
  controls: boolean;
  size: string | null;
}

/** Quality, size, and what is measured of the connection. */
export function PicturePanel(props: PicturePanelProps): ReactElement {
  const { preferences, onChange, measured, controls, size } = props;
  const { bytesPerSecond, roundTripMs } = measured;
  return (
    <>
      <fieldset className="choices">
        <legend>Quality</legend>
        {qualityChoices.map((quality) => (
          <Choice
            key={quality}
            name="quality"
            words={qualityWords[quality]}
            checked={preferences.quality === quality}
            onChoose={() => onChange({ ...preferences, quality })}
          />
        ))}
      </fieldset>
      <fieldset className="choices">
        <legend>Fit</legend>
        {fits.map((fit) => (
          <Choice
            key={fit}
            name="fit"
            words={fitWords[fit]}
            checked={preferences.fit === fit}
            onChoose={() => onChange({ ...preferences, fit })}
          />
        ))}
        {controls ? null : (
          <p className="muted small">The size of the screen is up to whoever controls it.</p>
        )}
      </fieldset>
      <dl className="facts small">
        <div>
          <dt>Screen round trip</dt>
          <dd>{roundTripMs === null ? 'not measured yet' : `${Math.round(roundTripMs)} ms`}</dd>
        </div>
        <div>
          <dt>Picture data</dt>
          <dd>{bytesPerSecond === null ? 'not measured yet' : `${formatBytes(bytesPerSecond)} a second`}</dd>
        </div>
        {size === null ? null : (
          <div>
            <dt>Screen</dt>
            <dd>{size}</dd>
          </div>
        )}
      </dl>
      <p className="muted small">
        The round trip is the time from asking the desktop for one pixel to its answer, taken every 10 seconds
        while the screen is still.
      </p>
    </>
  );
}

interface ChoiceProps {
  name: string;
  words: { label: string; explained: string };
  checked: boolean;
  onChoose: () => void;
}

function Choice({ name, words, checked, onChoose }: ChoiceProps): ReactElement {
  return (
    <label className="choice">
      <input type="radio" name={name} checked={checked} onChange={onChoose} />
      <span>
        {words.label}
        <span className="muted small block">{words.explained}</span>
      </span>
    </label>
  );
}
