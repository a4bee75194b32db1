import { readFile } from 'node:fs/promises';
import { providers, type Config } from '@hearth/contract';
import { adminTokenFile } from '../api/connection.ts';
import type { CliEnvironment } from '../config.ts';

/** The values of this machine's secrets, so that they are found wherever they lie; what can't be read isn't in what we can read either. */
export async function knownSecrets(config: Config, environment: CliEnvironment): Promise<string[]> {
  const files = [adminTokenFile(config), config.vault.keyFile ?? `${config.stateDir}/controller/master.key`];
  const values = [environment.token?.reveal() ?? '', ...Object.values(environment.masterKeys)];
  for (const provider of Object.values(providers)) values.push(environment.apiKey(provider)?.reveal() ?? '');
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return '';
      throw error;
    });
    // The whole and its words: the key file is JSON with keys in it.
    values.push(text.trim(), ...text.split(/[\s"',[\]{}:]+/).filter((word) => word.length >= 16));
  }
  return values.filter((value) => value !== '');
}
