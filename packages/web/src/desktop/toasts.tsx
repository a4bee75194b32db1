import { errorTable, type HearthError } from '@hearth/contract';
import { useCallback, useEffect, useState, type ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';

export interface Saying {
  text: string;
  bad?: boolean;
}
export type Say = (saying: Saying) => void;

const SHOWN_MS = 8000;
const AT_ONCE = 3;

export const sayProblem = (say: Say, error: HearthError): void =>
  say({
    text: `${errorTable[error.code].title}: ${error.detail}. ${error.options.hint ?? errorTable[error.code].hint}`,
    bad: true,
  });

/** Short messages over the desktop that go away by themselves. */
export function useToasts(): { say: Say; toasts: ReactElement } {
  const [sayings, setSayings] = useState<readonly (Saying & { id: number })[]>([]);
  const drop = useCallback((id: number) => setSayings((all) => all.filter((saying) => saying.id !== id)), []);
  const say = useCallback<Say>((saying) => {
    setSayings((all) => [
      // The same again only stays longer.
      ...all.filter(({ text }) => text !== saying.text).slice(1 - AT_ONCE),
      { ...saying, id: (all.at(-1)?.id ?? 0) + 1 },
    ]);
  }, []);
  return {
    say,
    toasts: (
      <div className="toasts" aria-live="polite">
        {sayings.map(({ id, ...saying }) => (
          <Toast key={id} saying={saying} onEnd={() => drop(id)} />
        ))}
      </div>
    ),
  };
}

function Toast({ saying: { text, bad }, onEnd }: { saying: Saying; onEnd: () => void }): ReactElement {
  useEffect(() => {
    const timer = setTimeout(onEnd, SHOWN_MS);
    return () => clearTimeout(timer);
    // The time begins when it is shown, not whenever others come.
  }, []);
  return (
    <div className={`toast ${bad === true ? 'bad' : ''}`}>
      <span>{text}</span>
      <button type="button" className="button quiet slim" aria-label="Close this message" onClick={onEnd}>
        <Icon name="close" />
      </button>
    </div>
  );
}
