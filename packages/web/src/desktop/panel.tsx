import { useEffect, useId, useRef, type ReactElement, type ReactNode } from 'react';
import { Icon } from '../design/icon.tsx';

/** A sheet under the bar (on a phone: at the bottom). Escape closes it. */
export function Panel(props: { title: string; onClose: () => void; children: ReactNode }): ReactElement {
  const { title, onClose, children } = props;
  const headingId = useId();
  const sheet = useRef<HTMLElement>(null);
  useEffect(() => {
    sheet.current?.focus({ preventScroll: true });
  }, []);
  return (
    <section
      ref={sheet}
      className="sheet"
      tabIndex={-1}
      aria-labelledby={headingId}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onClose();
      }}
    >
      <div className="row">
        <h2 id={headingId}>{title}</h2>
        <button type="button" className="button quiet slim push" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </section>
  );
}
