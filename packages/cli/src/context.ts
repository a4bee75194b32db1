import { HearthError } from '@hearth/contract';
import type { Api } from './api/client.ts';
import { connect, type ConnectionOptions } from './api/connection.ts';
import { readEnvironment, type CliEnvironment } from './config.ts';
import { makeOutput, type Output } from './terminal/output.ts';

/** Options that every command takes. */
export interface CommonOptions extends ConnectionOptions {
  json?: boolean;
  verbose?: boolean;
}

/** What a command works with. */
export interface Context {
  readonly environment: CliEnvironment;
  readonly out: Output;
  /** Ends with Ctrl-C. */
  readonly signal: AbortSignal;
}

export function makeContext(options: CommonOptions): Context {
  const environment = readEnvironment();
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new HearthError('aborted', 'interrupted'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  return {
    environment,
    out: makeOutput({ json: options.json ?? false, noColor: environment.noColor }),
    signal: interrupted.signal,
  };
}

/** Runs a command's work against the controller and closes the connections behind it. */
export async function withApi<T>(
  options: CommonOptions,
  work: (api: Api, context: Context) => Promise<T>,
): Promise<T> {
  const context = makeContext(options);
  const api = await connect(options, context.environment);
  try {
    return await work(api, context);
  } finally {
    await api.close();
  }
}
