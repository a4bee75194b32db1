import { providers, type GuestRunLine, type Provider, type ProviderEvent } from '@hearth/contract';
import { withEvents, type NewRunEvent, type RunChange, type RunRecord } from './run-record.ts';

/** What a provider's descriptor is given of standard error, in characters. */
const STDERR_TAIL = 8192;
const MESSAGE_CHARACTERS = 2000;

export type GuestChanges = Extract<GuestRunLine, { type: 'changes' }>;

export interface Reading extends RunChange {
  /** Where the lines hold them: what the run changed in its folder. */
  changes: GuestChanges | null;
}

/** Takes in lines of a run's output in the guest; those that were taken in before don't count again. */
export function takeLines(run: RunRecord, lines: readonly GuestRunLine[], now: Date): Reading {
  const provider = providers[run.provider];
  const next: RunRecord = { ...run, version: run.version + 1 };
  const events: NewRunEvent[] = [];
  let changes: GuestChanges | null = null;
  for (const line of lines) {
    if (line.seq <= next.guestSeq) continue;
    next.guestSeq = line.seq;
    switch (line.type) {
      case 'line':
        if (line.stream === 'stderr')
          next.stderrTail = `${next.stderrTail}${line.text}\n`.slice(-STDERR_TAIL);
        else events.push(...readLine(next, provider, line.text));
        break;
      case 'dropped':
        events.push({ type: 'metadata', other: true, raw: { droppedBytes: line.bytes } });
        break;
      case 'exit':
        next.exitCode = line.exitCode;
        next.endedBy = line.by;
        events.push(...take(next, provider.readExit(line.exitCode, next.stderrTail)));
        break;
      case 'changes':
        changes = line;
        break;
    }
  }
  return { ...withEvents(next, events, now), changes };
}

/** The tool's own event goes with the first of ours that it became, or alone where it means none. */
function readLine(run: RunRecord, provider: Provider, text: string): NewRunEvent[] {
  if (text.trim() === '') return [];
  const [first = { type: 'metadata', other: true }, ...others] = take(run, provider.readEvent(text));
  return [{ ...first, raw: parse(text) }, ...others];
}

/** Notes in the run what the events mean for it. */
function take(run: RunRecord, events: readonly ProviderEvent[]): NewRunEvent[] {
  const told = run.needsLogin !== null;
  const isFault = ({ type }: ProviderEvent): boolean => type === 'error' || type === 'needs_login';
  if (events.some(({ type }) => type === 'finished') && !events.some(isFault)) {
    // It got over what it complained of.
    run.toolError = null;
    run.needsLogin = null;
  }
  return events.flatMap((event): NewRunEvent[] => {
    switch (event.type) {
      case 'finished':
        return [];
      case 'needs_login': {
        const message = event.message.slice(0, MESSAGE_CHARACTERS);
        run.needsLogin = message;
        // A tool may say it once as an event and once in its result.
        return told ? [] : [{ type: 'needs_login', message }];
      }
      case 'error': {
        const message = event.message.slice(0, MESSAGE_CHARACTERS);
        run.toolError = message;
        return [{ type: 'tool_error', message }];
      }
      case 'metadata': {
        const { conversationId, model } = event;
        if (conversationId !== undefined) run.sessionId = conversationId;
        if (model !== undefined) run.model = model;
        return [
          {
            type: 'metadata',
            ...(conversationId === undefined ? {} : { sessionId: conversationId }),
            ...(model === undefined ? {} : { model }),
          },
        ];
      }
      case 'usage':
        run.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens };
        return [event];
      case 'text':
      case 'tool':
        return [event];
    }
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The tool prints a plain line now and then.
    return text;
  }
}
