import { useEffect, useState, type ReactElement } from 'react';
import { Icon } from './icon.tsx';

const SHOWN_MS = 2000;

/** Copies a text; says so, and where the browser forbids it. */
export function CopyButton({ text, label }: { text: () => string; label: string }): ReactElement {
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid('Copied');
    } catch {
      // Without a secure context there is no clipboard, and the user may have said no.
      setSaid('The browser forbids it');
    }
  };
  return (
    <button type="button" className="button slim" onClick={() => void copy()}>
      <Icon name={said === 'Copied' ? 'check' : 'copy'} />
      <span aria-live="polite">{said ?? label}</span>
    </button>
  );
}
