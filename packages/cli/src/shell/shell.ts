import {
  HearthError,
  openedTerminalSchema,
  terminalIdSchema,
  terminalListSchema,
  terminalTicketSchema,
  type ProviderId,
  type TerminalId,
  type VmId,
} from '@hearth/contract';
import { z } from 'zod';
import type { Api } from '../api/client.ts';
import { withApi, type CommonOptions } from '../context.ts';
import { Exit } from '../exit-codes.ts';
import { renderTable } from '../terminal/table.ts';
import { parseVmId } from '../vm/follow.ts';
import { attach } from './attach.ts';

export interface ShellOptions extends CommonOptions {
  provider?: ProviderId;
  vm?: string;
  terminal?: string;
  list?: boolean;
}

/** A VM may have to be made, or resumed, first. */
const OPEN_TIMEOUT_MS = 20 * 60_000;
const openedListSchema = z.object({ terminals: z.array(openedTerminalSchema) });
type Opened = z.infer<typeof openedTerminalSchema>;

/** Opens a terminal in a CLI VM, or takes one up again, in the terminal that this runs in. */
export async function openShell(options: ShellOptions): Promise<void> {
  const vmId = options.vm === undefined ? undefined : parseVmId(options.vm);
  const terminalId = options.terminal === undefined ? undefined : parseTerminalId(options.terminal);
  if (options.list === true) return listTerminals(vmId, options);
  const { stdin: input, stdout: output } = process;
  if (!input.isTTY || !output.isTTY)
    throw new HearthError('bad_request', '`hearth shell` needs a terminal as its input and output', {
      hint: 'For one command use `hearth vm exec ID -- COMMAND`; for a prompt `hearth run`.',
    });
  await withApi(options, async (api, { out, signal }) => {
    const isNew = terminalId === undefined;
    const terminal = isNew
      ? await create(api, vmId, options.provider, output, signal)
      : await find(api, vmId, terminalId, signal);
    const again = `hearth shell --terminal ${terminal.id}${vmId === undefined ? '' : ` --vm ${vmId}`}`;
    out.note(`${terminal.id} in ${terminal.vmId}; Ctrl-] leaves it running, \`${again}\` comes back to it`);
    const { path } = await api.call('POST', terminalTicketSchema, `${pathOf(terminal)}/ticket`, { signal });
    const url = new URL(path, api.origin);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const leaving = await attach({ url, input, output, clear: !isNew, signal });
    if (leaving.type === 'exited') throw new Exit(leaving.exitCode);
    if (leaving.type === 'detached') out.note(`\r\nit goes on: \`${again}\` comes back to it`);
    else
      throw new HearthError(leaving.error.code, leaving.error.detail, {
        cause: leaving.error,
        hint: `What ran in it may go on: \`${again}\` comes back to it, \`hearth shell --list\` shows what is there.`,
      });
  });
}

const pathOf = ({ vmId, id }: Pick<Opened, 'vmId' | 'id'>): string => `/api/vms/${vmId}/terminals/${id}`;

async function create(
  api: Api,
  vmId: VmId | undefined,
  provider: ProviderId | undefined,
  { columns: cols, rows }: { columns: number; rows: number },
  signal: AbortSignal,
): Promise<Opened> {
  const path = vmId === undefined ? '/api/terminals' : `/api/vms/${vmId}/terminals`;
  const json = { cols, rows, ...(provider === undefined ? {} : { provider }) };
  return api.call('POST', openedTerminalSchema, path, { json, signal, timeoutMs: OPEN_TIMEOUT_MS });
}

async function find(api: Api, vmId: VmId | undefined, id: TerminalId, signal: AbortSignal): Promise<Opened> {
  const found = (await terminalsOf(api, vmId, signal)).find((one) => one.id === id);
  if (found !== undefined) return found;
  throw new HearthError('not_found', `there is no terminal ${id} in ${vmId ?? 'your CLI VM'}`, {
    hint: '`hearth shell --list` lists them; those of another VM need --vm ID.',
  });
}

async function terminalsOf(api: Api, vmId: VmId | undefined, signal: AbortSignal): Promise<Opened[]> {
  if (vmId === undefined) return (await api.get(openedListSchema, '/api/terminals', { signal })).terminals;
  const { terminals } = await api.get(terminalListSchema, `/api/vms/${vmId}/terminals`, { signal });
  return terminals.map((terminal) => ({ ...terminal, vmId }));
}

async function listTerminals(vmId: VmId | undefined, options: ShellOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const terminals = await terminalsOf(api, vmId, signal);
    if (out.json) out.value({ terminals });
    else if (terminals.length === 0) out.note('no terminals; open one with `hearth shell`');
    else
      out.line(
        renderTable(
          ['ID', 'VM', 'WHAT', 'TITLE', 'VIEWERS', 'STATE'],
          terminals.map((one) => [
            ...[one.id, one.vmId, one.provider ?? 'shell', printable(one.title), String(one.viewers)],
            one.exitCode === null ? 'running' : `ended (${one.exitCode})`,
          ]),
        ),
      );
  });
}

/** A program in the VM chose it. */
const printable = (title: string): string => title.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '').slice(0, 40);

function parseTerminalId(text: string): TerminalId {
  const parsed = terminalIdSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new HearthError(
    'bad_request',
    `"${text}" is not the id of a terminal: expected trm- and 12 characters`,
    {
      hint: '`hearth shell --list` lists the ids.',
    },
  );
}
