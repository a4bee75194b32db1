import { readFile } from 'node:fs/promises';
import { HearthError, Secret, type Config } from '@hearth/contract';
import { controllerUrl, loadConfig, type CliEnvironment } from '../config.ts';
import { makeApi, type Api } from './client.ts';

export interface ConnectionOptions {
  config?: string;
  url?: string;
  tokenFile?: string;
}

/** File of the administrator's token of this machine, readable by root alone. */
export const adminTokenFile = (config: Config): string => `${config.stateDir}/admin.token`;
export const hostSocket = (config: Config): string => `${config.runDir}/host.sock`;

/** The controller, with whatever identity there is. The token never passes through argv. */
export async function connect(options: ConnectionOptions, environment: CliEnvironment): Promise<Api> {
  const config = await loadConfig(options.config, environment);
  const origin = checkUrl(options.url ?? environment.url) ?? controllerUrl(config);
  const token = await findToken(options, environment, config);
  return makeApi({ origin, token, unreachable: 'controller_unreachable' });
}

export function connectHost(config: Config): Api {
  return makeApi({ origin: 'http://host', socketPath: hostSocket(config), unreachable: 'host_unreachable' });
}

async function findToken(
  { tokenFile }: ConnectionOptions,
  environment: CliEnvironment,
  config: Config,
): Promise<Secret> {
  if (tokenFile !== undefined) return readSecretFile(tokenFile, '--token-file');
  if (environment.token !== undefined) return environment.token;
  const path = adminTokenFile(config);
  try {
    return new Secret((await readFile(path, 'utf8')).trim());
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw new HearthError(
        'controller_unreachable',
        `this machine has no administrator's token (${path}): Hearth was never started here`,
        {
          cause,
          hint: 'Start Hearth with `hearth up`, or name another one: HEARTH_URL with HEARTH_TOKEN or --token-file.',
        },
      );
    throw new HearthError('unauthenticated', `${path} cannot be read by this user`, {
      cause,
      hint: 'Run this as root, or give a token of your own with --token-file FILE or in HEARTH_TOKEN (an administrator makes one with `hearth token create`).',
    });
  }
}

/** A secret from a file that the user named. */
export async function readSecretFile(path: string, option: string): Promise<Secret> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HearthError('bad_request', `${option} ${path}: ${reason}`, {
      cause,
      hint: 'Name a file that you can read.',
    });
  }
  if (text === '')
    throw new HearthError('bad_request', `${option} ${path}: the file is empty`, {
      hint: 'Put the secret into it, on one line.',
    });
  if (/\s/.test(text))
    throw new HearthError('bad_request', `${option} ${path}: the file holds more than one word`, {
      hint: 'It must hold the secret alone.',
    });
  return new Secret(text);
}

function checkUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new HearthError('bad_request', `${text} is not an address such as http://127.0.0.1:4000`, {
      hint: 'Correct --url or HEARTH_URL.',
    });
  return text;
}
