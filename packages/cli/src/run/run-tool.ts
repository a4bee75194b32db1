import {
  HearthError,
  providerIds,
  providers,
  type Provider,
  type ProviderId,
  type RunEvent,
  type Secret,
} from '@hearth/contract';
import { connect, readSecretFile } from '../api/connection.ts';
import { readEnvironment, type CliEnvironment } from '../config.ts';
import type { CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { makeOutput, type Output } from '../terminal/output.ts';
import { interruptible } from '../vm/interrupt.ts';
import { runRemoteCommand } from '../vm/remote-command.ts';
import { ownCliVm } from './own-vm.ts';
import { makeAnswer } from './answer.ts';

export interface RunToolOptions extends CommonOptions {
  apiKeyFile?: string;
  baseUrl?: string;
  model?: string;
  vm?: string;
}

export async function runTool(name: string, prompt: string, options: RunToolOptions): Promise<void> {
  const provider = parseProvider(name);
  if (prompt.trim() === '')
    throw new HearthError('bad_request', 'the prompt is empty', {
      hint: 'hearth run claude_code "your prompt"',
    });
  const environment = readEnvironment();
  const out = makeOutput({ json: options.json ?? false, noColor: environment.noColor });
  // Before anything is made: without a key it would all be for nothing.
  const key = await findApiKey(provider, options, environment);
  const baseUrl = options.baseUrl ?? environment.baseUrl(provider);
  const { command, env } = provider.headless(prompt, {
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(options.model === undefined ? {} : { model: options.model }),
  });
  const api = await connect(options, environment);
  const interrupt = interruptible();
  try {
    const vm = await ownCliVm(api, { id: options.vm, signal: interrupt.signal, note: out.note });
    const answer = makeAnswer(provider, { onEvent: (event) => show(event, out) });
    const { exitCode } = await runRemoteCommand(
      api,
      vm.id,
      // The key is in this one request and in the tool's environment; in no argument, log or file.
      { command, user: 'hearth', env: { ...env, [provider.apiKeyVariable]: key.reveal() } },
      {
        signal: interrupt.signal,
        onStarted: interrupt.onStarted,
        onStdout: answer.onStdout,
        onStderr: answer.onStderr,
      },
    );
    answer.end();
    if (!out.json) sayEnd(provider, answer.summary(), exitCode, out);
    throw new Exit(exitCode);
  } catch (error) {
    if (error instanceof HearthError && error.code === 'aborted') throw new Exit(exitCodes.interrupted);
    throw error;
  } finally {
    interrupt.release();
    await api.close();
  }
}

export function parseProvider(name: string): Provider {
  const id = providerIds.find((known) => known === name);
  if (id !== undefined) return providers[id satisfies ProviderId];
  throw new HearthError('bad_request', `there is no provider "${name}"`, {
    hint: `Known: ${providerIds.join(', ')}.`,
  });
}

async function findApiKey(
  provider: Provider,
  { apiKeyFile }: RunToolOptions,
  environment: CliEnvironment,
): Promise<Secret> {
  if (apiKeyFile !== undefined) return await readSecretFile(apiKeyFile, '--api-key-file');
  const key = environment.apiKey(provider);
  if (key !== undefined) return key;
  throw new HearthError(
    'api_key_missing',
    `${provider.title} needs an API key, and ${provider.apiKeyVariable} is not set`,
    {
      hint: `Put the key into a file that only you can read and give --api-key-file FILE, or set ${provider.apiKeyVariable}.`,
    },
  );
}

function show(event: RunEvent, out: Output): void {
  if (out.json) out.value(event);
  else if (event.type === 'text') out.bytes(event.text);
}

interface Summary {
  text: string;
  needsLogin: string | undefined;
  error: string | undefined;
  stderrTail: string;
}

function sayEnd(
  provider: Provider,
  { text, needsLogin, error, stderrTail }: Summary,
  exitCode: number,
  out: Output,
): void {
  if (text !== '' && !text.endsWith('\n')) out.line();
  const { paint } = out;
  const say = (what: string, hint: string): void =>
    out.note(
      `${paint.bad('error:')} ${what}\n  ${paint.dim('where:')} provider\n  ${paint.dim('what to do:')} ${hint}`,
    );
  if (needsLogin !== undefined)
    say(
      `${provider.title} is not signed in: ${needsLogin}${error === undefined ? '' : ` (${error})`}`,
      `Check that the API key is right and belongs to the server that is asked (--base-url, ${provider.baseUrlVariable}); give another with --api-key-file FILE.`,
    );
  else if (error !== undefined)
    say(
      `${provider.title}: ${error}`,
      'Try again, or look into the VM: hearth vm ls, hearth vm exec ID -- …',
    );
  else if (exitCode !== 0)
    say(
      `${provider.title} ended with exit code ${exitCode}${stderrTail === '' ? '' : `: ${stderrTail}`}`,
      'See whether the tool runs at all: hearth vm exec ID -- claude --version',
    );
}
