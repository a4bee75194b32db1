import {
  createTerminalFrameReader,
  createTerminalSchema,
  encodeTerminalBytes,
  encodeTerminalJson,
  HearthError,
  makeId,
  parseWith,
  TERMINAL_PROTOCOL,
  terminalIdSchema,
  terminalInputSchema,
  type Terminal,
  type TerminalId,
  type TerminalInput,
  type TerminalNotice,
  type VmId,
} from '@hearth/contract';
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A terminal that echoes what is typed; the test says what else it prints. */
export interface FakeTerminal {
  readonly vmId: VmId;
  readonly terminal: Terminal;
  /** Connections open now, oldest first. */
  readonly viewers: ReadonlySet<Socket>;
  /** All that was typed. */
  readonly typed: string;
  readonly inputs: readonly TerminalInput[];
  print(text: string | Uint8Array): void;
  notice(notice: TerminalNotice): void;
  exit(exitCode: number): void;
}

export interface FakeTerminals {
  /** Every one that was not removed. */
  readonly known: ReadonlyMap<TerminalId, FakeTerminal>;
  /** `GET/POST terminals`, `DELETE terminals/:id`. */
  answer(call: FakeTerminalCall): Promise<void>;
  /** Takes a connection whose request named it. Throws not_found. */
  find(vmId: VmId, id: string): FakeTerminal;
  attach(found: FakeTerminal, socket: Socket): void;
}

export interface FakeTerminalCall {
  vmId: VmId;
  method: string;
  /** Path behind the VM's id. */
  rest: string;
  body: () => Promise<unknown>;
  response: ServerResponse;
}

interface Known extends FakeTerminal {
  terminal: Terminal;
  viewers: Set<Socket>;
  typed: string;
  inputs: TerminalInput[];
}

export function createTerminals(): FakeTerminals {
  const known = new Map<TerminalId, Known>();
  const find = (vmId: VmId, id: string): Known => {
    const found = known.get(parseWith(terminalIdSchema, id, 'bad_request', 'terminal id'));
    if (found?.vmId !== vmId) throw new HearthError('not_found', `there is no terminal ${id} in this VM`);
    return found;
  };
  const send = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  return {
    known,
    find,
    answer: async ({ vmId, method, rest, body, response }) => {
      if (rest === 'terminals' && method === 'GET') {
        const own = [...known.values()].filter((one) => one.vmId === vmId);
        send(response, 200, { terminals: own.map(view) });
      } else if (rest === 'terminals' && method === 'POST') {
        const made = make(vmId, parseWith(createTerminalSchema, await body(), 'bad_request', 'body'));
        known.set(made.terminal.id, made);
        send(response, 201, view(made));
      } else if (method === 'DELETE') {
        const found = find(vmId, rest.slice('terminals/'.length));
        found.exit(129);
        known.delete(found.terminal.id);
        response.writeHead(204).end();
      } else throw new HearthError('route_not_found', `${method} ${rest}`);
    },
    attach: (found, socket) => accept(found as Known, socket),
  };
}

const view = ({ terminal, viewers }: Known): Terminal => ({ ...terminal, viewers: viewers.size });

function make(vmId: VmId, { provider, cols, rows }: ReturnType<typeof createTerminalSchema.parse>): Known {
  const viewers = new Set<Socket>();
  const each = (frames: Uint8Array[]): void => {
    for (const viewer of viewers) for (const frame of frames) viewer.write(frame);
  };
  const known: Known = {
    vmId,
    viewers,
    typed: '',
    inputs: [],
    terminal: {
      id: terminalIdSchema.parse(makeId('trm', randomBytes)),
      provider: provider ?? null,
      ...{ title: '', createdAt: new Date().toISOString(), cols, rows, viewers: 0, exitCode: null },
    },
    print: (text) => each(encodeTerminalBytes(Buffer.from(text as string))),
    notice: (notice) => each([encodeTerminalJson(notice)]),
    exit: (exitCode) => {
      if (known.terminal.exitCode !== null) return;
      known.terminal = { ...known.terminal, exitCode };
      each([encodeTerminalJson({ type: 'exit', exitCode })]);
      for (const viewer of viewers) viewer.end();
    },
  };
  return known;
}

function accept(known: Known, socket: Socket): void {
  const { cols, rows } = known.terminal;
  const read = createTerminalFrameReader();
  known.viewers.add(socket);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TERMINAL_PROTOCOL}\r\n\r\n`,
  );
  socket.write(encodeTerminalJson({ type: 'reset', cols, rows }));
  for (const frame of encodeTerminalBytes(Buffer.from('$ '))) socket.write(frame);
  socket.on('data', (chunk: Buffer) => {
    for (const frame of read(chunk)) {
      if (frame.type === 'json') known.inputs.push(terminalInputSchema.parse(JSON.parse(frame.text)));
      else {
        known.typed += Buffer.from(frame.bytes).toString();
        known.print(frame.bytes);
      }
    }
  });
  const end = (): void => void socket.destroy();
  socket
    .on('error', end)
    .on('end', end)
    .on('close', () => known.viewers.delete(socket));
}
