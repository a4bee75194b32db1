import {
  guestRunLineSchema,
  HearthError,
  parseWith,
  pause,
  startProgress,
  type GuestRunLine,
  type GuestRunOrder,
  type RunId,
  type VmId,
} from '@hearth/contract';
import type { ByteCall, CallOptions, HostLink } from '../host-link/host-link.ts';

const CALL_TIMEOUT_MS = 60_000;
/** The last line holds the texts of all files that a run changed. */
const MAX_LINE_CHARACTERS = 128 * 1024 * 1024;
/** After a smaller piece there is a pause: what comes meanwhile is taken in at once, and so written by one commit. */
const SMALL_PIECE_BYTES = 16 * 1024;
const PAUSE_MS = 20;

/** Runs in a VM, by its agent. Every call throws what host and agent say. */
export interface GuestRuns {
  /** Begins a run; the same again is no second one. */
  put(vmId: VmId, id: RunId, order: GuestRunOrder, options: CallOptions): Promise<void>;
  /** Its output behind line `after` (-1: from the first on), in pieces, as fast as they are taken. */
  output(vmId: VmId, id: RunId, after: number, options: CallOptions): AsyncIterable<GuestRunLine[]>;
  /** Ends its tool. */
  cancel(vmId: VmId, id: RunId, options: CallOptions): Promise<void>;
  /** Ends its tool where that still runs, and forgets its output; also of one that isn't there. */
  remove(vmId: VmId, id: RunId, options: CallOptions): Promise<void>;
}

export function createGuestRuns(host: Pick<HostLink, 'pass'>): GuestRuns {
  const call = async (what: string, request: ByteCall, { signal, requestId }: CallOptions): Promise<void> => {
    const progress = startProgress({ what, timeoutMs: CALL_TIMEOUT_MS, signal });
    const options = { signal: progress.signal, ...(requestId === undefined ? {} : { requestId }) };
    const { body } = await host.pass(request, options);
    body.resume();
  };
  return {
    put: (vmId, id, order, options) =>
      call(
        `beginning ${id}`,
        { method: 'PUT', vmId, path: `runs/${id}`, body: JSON.stringify(order) },
        options,
      ),
    cancel: (vmId, id, options) =>
      call(`cancelling ${id}`, { method: 'POST', vmId, path: `runs/${id}/cancel` }, options),
    remove: (vmId, id, options) =>
      call(`removing ${id}`, { method: 'DELETE', vmId, path: `runs/${id}` }, options),
    output: async function* (vmId, id, after, options) {
      const query: Record<string, string> = after < 0 ? {} : { after: String(after) };
      const { body } = await host.pass({ method: 'GET', vmId, path: `runs/${id}/output`, query }, options);
      const split = makeLineSplitter();
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        const lines = split(chunk);
        if (lines.length > 0) yield lines.map(parseLine);
        if (chunk.length < SMALL_PIECE_BYTES) await pause(PAUSE_MS, options.signal);
      }
    },
  };
}

/** Gives the lines that a chunk completes. A line without its end says nothing: its connection broke. */
function makeLineSplitter(): (chunk: Uint8Array) => string[] {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let length = 0;
  return (chunk) => {
    const [first = '', ...rest] = decoder.decode(chunk, { stream: true }).split('\n');
    parts.push(first);
    length += first.length;
    if (length > MAX_LINE_CHARACTERS)
      throw new HearthError('internal', `a line of a run is longer than ${MAX_LINE_CHARACTERS} characters`);
    if (rest.length === 0) return [];
    const lines = [parts.join(''), ...rest];
    const open = lines.pop() ?? '';
    parts = [open];
    length = open.length;
    return lines.filter((line) => line !== '');
  };
}

function parseLine(line: string): GuestRunLine {
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch (cause) {
    throw new HearthError('internal', 'a line of a run’s output is not JSON', { cause });
  }
  return parseWith(guestRunLineSchema, data, 'internal', 'line of a run’s output');
}
