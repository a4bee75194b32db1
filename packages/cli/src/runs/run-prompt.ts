import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  asHearthError,
  HearthError,
  providers,
  runSchema,
  type CreateRun,
  type ProviderId,
  type RunId,
} from '@hearth/contract';
import type { Api } from '../api/client.ts';
import { connect } from '../api/connection.ts';
import { readEnvironment, type CliEnvironment } from '../config.ts';
import type { CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { makeOutput } from '../terminal/output.ts';
import { parseVmId } from '../vm/follow.ts';
import { interruptible } from '../vm/interrupt.ts';
import { watchRun } from './watch-run.ts';

export interface RunOptions extends CommonOptions {
  model?: string;
  baseUrl?: string;
  cwd?: string;
  continue?: string;
  file?: string[];
  /** Seconds. */
  timeout?: number;
  vm?: string;
}

export async function runPrompt(provider: ProviderId, prompt: string, options: RunOptions): Promise<void> {
  const environment = readEnvironment();
  const out = makeOutput({ json: options.json ?? false, noColor: environment.noColor });
  const body = await readOrder(provider, prompt, options, environment);
  const api = await connect(options, environment);
  const interrupt = interruptible();
  const { signal } = interrupt;
  try {
    const run = await create(api, body, environment, signal);
    // F45: Ctrl-C here cancels it there; a second one leaves at once.
    interrupt.onStarted(() => cancel(api, run.id));
    if (run.waitingFor !== null && run.waitingFor !== 'its turn')
      out.note(`${run.id} waits for ${run.waitingFor}…`);
    throw new Exit(await watchRun(api, run.id, { after: -1, signal, out }));
  } catch (error) {
    if (error instanceof HearthError && error.code === 'aborted') throw new Exit(exitCodes.interrupted);
    throw error;
  } finally {
    interrupt.release();
    await api.close();
  }
}

async function readOrder(
  provider: ProviderId,
  prompt: string,
  { model, baseUrl, cwd, continue: sessionId, file: paths, timeout, vm }: RunOptions,
  environment: CliEnvironment,
): Promise<CreateRun> {
  const server = baseUrl ?? environment.baseUrl(providers[provider]);
  const whole = prompt === '-' ? await text(process.stdin) : prompt;
  if (whole.trim() === '')
    throw new HearthError('bad_request', 'the prompt is empty', {
      hint: `hearth run ${provider} "your prompt"; with - it is read from standard input.`,
    });
  return {
    provider,
    prompt: whole,
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(paths === undefined ? {} : { files: await Promise.all(paths.map(readInput)) }),
    ...(timeout === undefined ? {} : { timeoutMs: Math.round(timeout * 1000) }),
    ...(model === undefined ? {} : { model }),
    ...(server === undefined ? {} : { baseUrl: server }),
    ...(vm === undefined ? {} : { vmId: parseVmId(vm) }),
  };
}

/** It gets its own name in the run's folder. */
async function readInput(path: string): Promise<{ path: string; contentBase64: string }> {
  try {
    return { path: basename(path), contentBase64: await readFile(path, 'base64') };
  } catch (cause) {
    throw new HearthError('bad_request', `--file ${path}: ${asHearthError(cause).detail}`, {
      cause,
      hint: 'Name a file that you can read; folders go with `hearth vm cp`, packed.',
    });
  }
}

async function create(api: Api, body: CreateRun, environment: CliEnvironment, signal: AbortSignal) {
  try {
    return await api.call('POST', runSchema, '/api/runs', {
      json: body,
      headers: { accept: 'application/json' },
      signal,
    });
  } catch (error) {
    const { provider } = body;
    const descriptor = providers[provider];
    const isMissing = error instanceof HearthError && error.code === 'credential_missing';
    if (!isMissing || environment.apiKey(descriptor) === undefined) throw error;
    throw new HearthError('credential_missing', error.detail, {
      cause: error,
      hint: `${descriptor.apiKeyVariable} is set here: keep that key in the vault with \`hearth credentials set-key ${provider}\`, once, and run this again.`,
    });
  }
}

async function cancel(api: Api, id: RunId): Promise<void> {
  try {
    await api.call('POST', runSchema, `/api/runs/${id}/cancel`);
  } catch (error) {
    // It ended a moment before.
    if (!(error instanceof HearthError) || error.code !== 'run_ended') throw error;
  }
}
