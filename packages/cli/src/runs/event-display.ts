import type { RunEvent } from '@hearth/contract';
import type { Output } from '../terminal/output.ts';

const SHOWN_CHARACTERS = 160;

/** Text on standard output as it comes; what the tool does beside it, dim, on standard error. */
export function makeEventDisplay(out: Output): { show: (event: RunEvent) => void } {
  const { paint } = out;
  let open = false;
  const remark = (text: string): void => {
    // Into a line of its own, where both go to one terminal.
    if (open && out.live) out.raw('\n');
    if (out.live) open = false;
    out.note(paint.dim(text));
  };
  return {
    show: (event) => {
      if (out.json) {
        out.value(event);
        return;
      }
      switch (event.type) {
        case 'text':
          out.bytes(event.text);
          if (event.text !== '') open = !event.text.endsWith('\n');
          break;
        case 'tool':
          if (event.phase === 'started') remark(`· ${event.name ?? 'tool'} ${short(event.input)}`.trimEnd());
          else if (event.isError === true) remark(`· failed: ${short(event.output ?? '')}`);
          break;
        case 'tool_error':
          remark(`· ${event.message}`);
          break;
        case 'done':
        case 'error':
          if (open) out.line();
          open = false;
          break;
        case 'started':
        case 'metadata':
        case 'usage':
        case 'needs_login':
          break;
      }
    },
  };
}

function short(value: unknown): string {
  if (value === undefined) return '';
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replace(/\s+/g, ' ');
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
