import { readFile } from 'node:fs/promises';
import { HearthError, parseConfig, type Config } from '@hearth/contract';

export const DEFAULT_CONFIG_PATH = '/etc/hearth/hearth.json';

/**
 * Reads the configuration of this process: the file of `--config` or HEARTH_CONFIG (it must exist), else the default
 * one where there is one, with the environment laid over it. Throws config_invalid.
 */
export async function readConfig(path?: string): Promise<Config> {
  const named = path ?? process.env['HEARTH_CONFIG'];
  return parseConfig(await readJson(named ?? DEFAULT_CONFIG_PATH, named === undefined), process.env);
}

async function readJson(path: string, mayLack: boolean): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (mayLack && (cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new HearthError('config_invalid', `${path} cannot be read`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HearthError(
      'config_invalid',
      `${path} is not JSON: ${cause instanceof Error ? cause.message : ''}`,
      { cause },
    );
  }
}

/** The environment that goes on to the daemon inside its namespace. */
export function inheritedEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => name.startsWith('HEARTH_') || name === 'PATH' || name === 'NODE_OPTIONS',
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}
