import {
  encodeLine,
  guestRunOrderSchema,
  HearthError,
  parseWith,
  type GuestRunLine,
  type GuestRunOrder,
  type RunId,
  type VmId,
} from '@hearth/contract';
import type { ServerResponse } from 'node:http';
import type { Machines } from './machines.ts';

type NewLine = GuestRunLine extends infer L ? (L extends GuestRunLine ? Omit<L, 'seq'> : never) : never;
type ChangedFile = Extract<GuestRunLine, { type: 'changes' }>['files'][number];

/** A tool that "runs" in a VM: the test says what it prints. */
export interface FakeRun {
  readonly id: RunId;
  readonly vmId: VmId;
  readonly order: GuestRunOrder;
  readonly over: boolean;
  /** A line on standard output; what is no string as JSON. */
  say(line: unknown): void;
  complain(line: string): void;
  /** The tool ends; the changes follow, unless they are null. */
  exit(exitCode: number, changes?: ChangedFile[] | null, by?: 'itself' | 'timeout' | 'cancel'): void;
}

export interface FakeRunScript {
  /** Plays a run that was begun. */
  play: (run: FakeRun) => void;
  /** POST cancel is heard and does nothing. */
  ignoreCancel: boolean;
  /** PUT is refused with this. */
  refuse: HearthError | null;
  /** PUT is taken, and its answer is lost. */
  loseAnswer: boolean;
}

export interface FakeRuns {
  readonly script: FakeRunScript;
  /** Every run that was ever begun, in this order. */
  readonly begun: readonly FakeRun[];
  /** Those whose output is still kept. */
  readonly kept: ReadonlyMap<RunId, FakeRun>;
  /** Most that ran at once in one VM. */
  readonly mostAtOnce: ReadonlyMap<VmId, number>;
  /** Bytes of output that readers have not taken yet, at most, of any one reader. */
  readonly mostUnread: () => number;
  /** Breaks the connections of all who read output. */
  cut(): void;
  /** `PUT | DELETE runs/:id`, `GET runs/:id/output`, `POST runs/:id/cancel`. */
  answer(call: FakeRunCall): Promise<void>;
}

export interface FakeRunCall {
  vmId: VmId;
  method: string;
  rest: string;
  query: Record<string, string>;
  body: () => Promise<unknown>;
  response: ServerResponse;
}

/** Answers like Claude Code: the prompt, said back. */
export function playEcho(run: FakeRun): void {
  run.say({ type: 'system', subtype: 'init', session_id: run.id, model: 'fake-model' });
  const delta = { type: 'text_delta', text: `you said: ${run.order.stdin}` };
  run.say({ type: 'stream_event', event: { type: 'content_block_delta', delta } });
  run.say({ type: 'result', subtype: 'success', is_error: false, session_id: run.id });
  run.exit(0);
}

interface Known extends FakeRun {
  lines: string[];
  wake: Set<() => void>;
}

export function createRuns(machines: Machines): FakeRuns {
  const script: FakeRunScript = { play: playEcho, ignoreCancel: false, refuse: null, loseAnswer: false };
  const begun: FakeRun[] = [];
  const kept = new Map<RunId, Known>();
  const mostAtOnce = new Map<VmId, number>();
  const readers = new Map<ServerResponse, VmId>();
  let mostUnread = 0;

  machines.subscribe((event) => {
    if (event.type !== 'vm' || event.vm.state === 'ready') return;
    // What ran in it ends with it.
    for (const [response, vmId] of readers) if (vmId === event.vm.id) response.destroy();
    for (const run of kept.values()) if (run.vmId === event.vm.id) kept.delete(run.id);
  });

  const find = (vmId: VmId, id: string): Known => {
    const run = kept.get(id as RunId);
    if (run?.vmId !== vmId) throw new HearthError('not_found', `there is no run ${id} in ${vmId}`);
    return run;
  };
  const begin = (vmId: VmId, id: RunId, order: GuestRunOrder): void => {
    const lines: string[] = [];
    const wake = new Set<() => void>();
    let over = false;
    const add = (line: NewLine): void => {
      lines.push(encodeLine({ seq: lines.length, ...line }));
      for (const listener of wake) listener();
    };
    const run: Known = {
      ...{ id, vmId, order, lines, wake },
      get over() {
        return over;
      },
      say: (line) =>
        add({
          type: 'line',
          stream: 'stdout',
          text: typeof line === 'string' ? line : JSON.stringify(line),
        }),
      complain: (text) => add({ type: 'line', stream: 'stderr', text }),
      exit: (exitCode, files = [], by = 'itself') => {
        if (over) return;
        add({ type: 'exit', exitCode, by, durationMs: 1 });
        if (files !== null) add({ type: 'changes', files, truncated: false });
        over = true;
        for (const listener of wake) listener();
      },
    };
    kept.set(id, run);
    begun.push(run);
    const now = [...kept.values()].filter((other) => other.vmId === vmId && !other.over).length;
    mostAtOnce.set(vmId, Math.max(mostAtOnce.get(vmId) ?? 0, now));
    script.play(run);
  };
  const stream = async (run: Known, after: number, response: ServerResponse): Promise<void> => {
    readers.set(response, run.vmId);
    response.once('close', () => readers.delete(response));
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.flushHeaders();
    let next = after + 1;
    while (!response.destroyed) {
      const ended = run.over;
      const line = run.lines[next];
      if (line !== undefined) {
        next += 1;
        const taken = response.write(line);
        mostUnread = Math.max(mostUnread, response.writableLength);
        if (!taken) await happens(response, 'drain');
      } else if (ended) {
        response.end();
        return;
      } else await grows(run, response);
    }
  };

  return {
    script,
    begun,
    kept,
    mostAtOnce,
    mostUnread: () => mostUnread,
    cut: () => {
      for (const response of readers.keys()) response.destroy();
    },
    answer: async ({ vmId, method, rest, query, body, response }) => {
      const match = /^runs\/([^/]+)(?:\/(output|cancel))?$/.exec(rest);
      const id = match?.[1] ?? '';
      switch (`${method} ${match?.[2] ?? ''}`) {
        case 'PUT ': {
          if (script.refuse !== null) throw script.refuse;
          const order = parseWith(guestRunOrderSchema, await body(), 'bad_request', 'order');
          const known = kept.get(id as RunId);
          if (known === undefined) begin(vmId, id as RunId, order);
          if (script.loseAnswer) response.destroy();
          else response.writeHead(known === undefined ? 201 : 200, JSON_TYPE).end(JSON.stringify({ id }));
          return;
        }
        case 'GET output':
          await stream(find(vmId, id), Number(query.after ?? '-1'), response);
          return;
        case 'POST cancel': {
          const run = find(vmId, id);
          if (!script.ignoreCancel) run.exit(143, [], 'cancel');
          response.writeHead(204).end();
          return;
        }
        case 'DELETE ': {
          const run = kept.get(id as RunId);
          run?.exit(143, [], 'cancel');
          kept.delete(id as RunId);
          response.writeHead(204).end();
          return;
        }
        default:
          throw new HearthError('method_not_allowed', `${method} ${rest}`);
      }
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

async function happens(response: ServerResponse, event: 'drain'): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => resolve(undefined);
  response.once(event, done).once('close', done);
  await promise;
  response.off(event, done).off('close', done);
}

async function grows(run: Known, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => resolve(undefined);
  run.wake.add(done);
  response.once('close', done);
  await promise;
  run.wake.delete(done);
  response.off('close', done);
}
