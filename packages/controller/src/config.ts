import { HearthError, parseConfig, Secret, type Config } from '@hearth/contract';
import { existsSync, readFileSync } from 'node:fs';

const DEFAULT_FILE = '/etc/hearth/hearth.json';

/**
 * Reads the configuration: the file named on the command line or by HEARTH_CONFIG, else the machine's where it
 * exists, with the environment laid over it. Throws HearthError config_invalid. Runs once, before anything else.
 */
export function readConfig(file?: string): Config {
  const named = file ?? process.env['HEARTH_CONFIG'];
  const path = named ?? DEFAULT_FILE;
  if (named === undefined && !existsSync(path)) return parseConfig({}, process.env);
  return parseConfig(readJson(path), process.env);
}

/** Master keys of the environment; null where the key file is used. */
export function readMasterKeys(): { current: Secret; previous: Secret | null } | null {
  const current = process.env['HEARTH_MASTER_KEY'];
  const previous = process.env['HEARTH_MASTER_KEY_PREVIOUS'];
  if (current === undefined || current === '') return null;
  return {
    current: new Secret(current),
    previous: previous === undefined || previous === '' ? null : new Secret(previous),
  };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new HearthError('config_invalid', `${path}: ${detail}`, { cause });
  }
}
