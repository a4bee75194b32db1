import type { RunEvent } from '@hearth/contract';

/** A piece of a run's output. Its object is another one whenever it changed. */
export type LogBlock =
  | { kind: 'text'; text: string }
  | {
      kind: 'tool';
      id: string;
      name: string;
      input: string;
      /** One line of it. */
      headline: string;
      /** null while it runs. */
      output: string | null;
      isError: boolean;
    }
  | { kind: 'fault'; text: string };

/** Blocks that are drawn and skipped together. */
export interface LogPage {
  key: number;
  blocks: readonly LogBlock[];
}

export interface RunLogView {
  pages: readonly LogPage[];
  /** Characters at the beginning that are no longer shown. */
  droppedChars: number;
  /** The tool wants a sign-in, in its words. */
  needsLogin: string | null;
  usage: { inputTokens: number; outputTokens: number } | null;
  /** Where the next stream goes on: the last event's `seq`. */
  lastSeq: number | null;
  ended: boolean;
}

export interface RunLog {
  /** Anything that was told before is passed over. */
  take: (event: RunEvent) => void;
  view: () => RunLogView;
}

/** A text block is closed at the next line break behind this many characters, so that little is drawn anew. */
const TEXT_CHARS = 4096;
/** A line without end is cut there. */
const LINE_CHARS = 64 * 1024;
const PAGE_BLOCKS = 24;
/** So much of a run is kept in the page; `hearth runs show` prints all. */
export const MAX_LOG_CHARS = 8 * 1024 * 1024;

/** Folds a run's events into blocks that only grow at their end, whatever their number. */
export function makeRunLog(maxChars = MAX_LOG_CHARS): RunLog {
  let pages: LogPage[] = [];
  /** By a tool's id: key of its page, and where in it. */
  const tools = new Map<string, { key: number; index: number }>();
  let nextKey = 0;
  let chars = 0;
  const told: Omit<RunLogView, 'pages'> = {
    droppedChars: 0,
    needsLogin: null,
    usage: null,
    lastSeq: null,
    ended: false,
  };

  const replaceLast = (blocks: readonly LogBlock[]): void => {
    const last = pages.at(-1);
    if (last !== undefined) pages = [...pages.slice(0, -1), { ...last, blocks }];
  };
  const push = (block: LogBlock): { key: number; index: number } => {
    const last = pages.at(-1);
    if (last === undefined || last.blocks.length >= PAGE_BLOCKS) {
      pages = [...pages, { key: nextKey++, blocks: [block] }];
      return { key: nextKey - 1, index: 0 };
    }
    replaceLast([...last.blocks, block]);
    return { key: last.key, index: last.blocks.length };
  };
  const grow = (count: number): void => {
    chars += count;
    while (chars > maxChars && pages.length > 1) {
      const gone = (pages[0]?.blocks ?? []).reduce((sum, block) => sum + charsOf(block), 0);
      pages = pages.slice(1);
      chars -= gone;
      told.droppedChars += gone;
    }
  };
  const addText = (text: string): void => {
    if (text === '') return;
    const last = pages.at(-1)?.blocks.at(-1);
    grow(text.length);
    if (last?.kind !== 'text') {
      push({ kind: 'text', text });
      return;
    }
    const cut = openChars(last.text, text);
    const blocks = pages.at(-1)?.blocks ?? [];
    if (cut > 0)
      replaceLast([...blocks.slice(0, -1), { kind: 'text', text: last.text + text.slice(0, cut) }]);
    if (cut < text.length) push({ kind: 'text', text: text.slice(cut) });
  };
  const addTool = (event: Extract<RunEvent, { type: 'tool' }>): void => {
    const place = tools.get(event.id);
    const page = place === undefined ? undefined : pages.find(({ key }) => key === place.key);
    const known = place === undefined ? undefined : page?.blocks[place.index];
    if (place === undefined || page === undefined || known?.kind !== 'tool') {
      const block: LogBlock = {
        kind: 'tool',
        id: event.id,
        name: event.name ?? 'tool',
        input: inWords(event.input),
        headline: inShort(event.input),
        output: event.phase === 'finished' ? (event.output ?? '') : null,
        isError: event.isError ?? false,
      };
      tools.set(event.id, push(block));
      grow(charsOf(block));
      return;
    }
    const block: LogBlock = {
      ...known,
      ...(event.name === undefined ? {} : { name: event.name }),
      ...(event.input === undefined ? {} : { input: inWords(event.input), headline: inShort(event.input) }),
      ...(event.phase === 'finished' ? { output: event.output ?? '', isError: event.isError ?? false } : {}),
    };
    pages = pages.map((each) =>
      each === page ? { ...page, blocks: page.blocks.with(place.index, block) } : each,
    );
    grow(charsOf(block) - charsOf(known));
  };

  return {
    take: (event) => {
      if (told.lastSeq !== null && event.seq <= told.lastSeq) return;
      told.lastSeq = event.seq;
      switch (event.type) {
        case 'text':
          addText(event.text);
          break;
        case 'tool':
          addTool(event);
          break;
        case 'tool_error':
          push({ kind: 'fault', text: event.message });
          break;
        case 'usage':
          told.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens };
          break;
        case 'needs_login':
          told.needsLogin = event.message;
          break;
        case 'done':
        case 'error':
          told.ended = true;
          break;
        case 'started':
        case 'metadata':
          break;
      }
    },
    view: () => ({ ...told, pages }),
  };
}

/** How much of what comes still belongs to the last block. */
function openChars(last: string, next: string): number {
  if (last.length < TEXT_CHARS) return next.length;
  if (last.endsWith('\n') || last.length > LINE_CHARS) return 0;
  const lineEnd = next.indexOf('\n');
  return lineEnd === -1 ? next.length : lineEnd + 1;
}

const charsOf = (block: LogBlock): number =>
  block.kind === 'tool' ? block.input.length + (block.output?.length ?? 0) : block.text.length;

/** What a tool was called with: a command or a path as such, all else as JSON. */
export function inWords(input: unknown): string {
  if (input === undefined || input === null) return '';
  if (typeof input === 'string') return input;
  if (typeof input === 'object') {
    const values: unknown[] = Object.values(input);
    if (values.length === 1 && typeof values[0] === 'string') return values[0];
  }
  return JSON.stringify(input, null, 2);
}

/** The same in one line: of several things the first text, which is a path or a command mostly. */
export function inShort(input: unknown): string {
  const values: unknown[] = typeof input === 'object' && input !== null ? Object.values(input) : [];
  const text = values.find((value) => typeof value === 'string') ?? inWords(input);
  return text.trim().split('\n', 1)[0]?.slice(0, 160) ?? '';
}
