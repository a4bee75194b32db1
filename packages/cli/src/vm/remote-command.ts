import {
  execEventSchema,
  fromProblem,
  HearthError,
  readEvents,
  type ExecEvent,
  type ExecId,
  type ExecRequestInput,
  type VmId,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { SAVED_MEMORY_TIMEOUT_MS } from './follow.ts';

export interface RemoteCommandOptions {
  /** Ending it ends the command's whole process group in the guest. */
  signal: AbortSignal;
  onStdout: (bytes: Uint8Array) => void;
  onStderr: (bytes: Uint8Array) => void;
  /** Bytes for the command's standard input; empty where left out. */
  stdin?: AsyncIterable<Uint8Array>;
  /** Gets a function that sends a signal to the command, once it runs. */
  onStarted?: (sendSignal: (name: 'SIGINT' | 'SIGTERM') => Promise<void>) => void;
}

export type RemoteExit = Extract<ExecEvent, { type: 'exit' }>;

/** Runs one command in a VM to its end. Throws what kept it from running; its own exit code is no error. */
export async function runRemoteCommand(
  api: Api,
  vmId: VmId,
  request: Omit<ExecRequestInput, 'stdin'>,
  options: RemoteCommandOptions,
): Promise<RemoteExit> {
  const { signal, stdin } = options;
  // Ends both streams: with the command, or where its input cannot be delivered.
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const { body } = await api.open('POST', `/api/vms/${vmId}/exec`, {
    json: { ...request, stdin: stdin !== undefined },
    signal: both,
    timeoutMs: SAVED_MEMORY_TIMEOUT_MS,
  });
  let feeding: Promise<void> | undefined;
  try {
    for await (const event of readEvents(body, execEventSchema)) {
      switch (event.type) {
        case 'started':
          options.onStarted?.((name) => sendSignal(api, vmId, event.execId, name, signal));
          if (stdin !== undefined)
            feeding = feed(api, vmId, event.execId, stdin, both).catch((error: unknown) =>
              ended.abort(error),
            );
          break;
        case 'stdout':
          options.onStdout(Buffer.from(event.dataBase64, 'base64'));
          break;
        case 'stderr':
          options.onStderr(Buffer.from(event.dataBase64, 'base64'));
          break;
        case 'exit':
          return event;
        case 'error':
          throw fromProblem(event.problem);
      }
    }
  } finally {
    ended.abort();
    await feeding;
  }
  throw new HearthError('agent_unreachable', `the stream from ${vmId} broke off before the command ended`, {
    vmId,
    hint: 'The command was ended with it. See whether the VM still is ready: `hearth vm show ID`.',
  });
}

/** The command may end, or close its input, before all of it was read: that is no error, as with a local pipe. */
async function feed(
  api: Api,
  vmId: VmId,
  execId: ExecId,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { body } = await api.open('PUT', `/api/vms/${vmId}/exec/${execId}/stdin`, {
      body: stdin,
      signal,
      timeoutMs: 86_400_000,
    });
    for await (const _ of body);
  } catch (error) {
    const code = error instanceof HearthError ? error.code : 'internal';
    if (signal.aborted || code === 'not_found' || code === 'conflict' || code === 'aborted') return;
    throw error;
  }
}

async function sendSignal(
  api: Api,
  vmId: VmId,
  execId: ExecId,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { body } = await api.open('POST', `/api/vms/${vmId}/exec/${execId}/signal`, {
      json: { signal: name },
      signal,
    });
    for await (const _ of body);
  } catch (error) {
    // It ended by itself meanwhile.
    if (error instanceof HearthError && (error.code === 'not_found' || error.code === 'aborted')) return;
    throw error;
  }
}
