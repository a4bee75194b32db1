import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HearthError } from '@hearth/contract';
import { isMissing } from './missing-file.ts';

/** One archive that apt is told to use. */
interface AptSource {
  uri: string;
  suite: string;
  components: string[];
  /** Path of the keyring, where the entry names one; an armoured key inside the entry is left to the default keyring. */
  signedBy?: string;
}

/** Reads the one-line style: `deb [options] uri suite component…`. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    return [{ uri, suite, components: words(components), ...(signedBy === undefined ? {} : { signedBy }) }];
  });
}

/** Reads deb822 stanzas; a stanza stands for each of its URIs with each of its suites. */
export function parseDeb822(text: string): AptSource[] {
  return text.split(/\n[ \t]*(?:\n|$)/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    let last = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
      if (field !== null) {
        last = (field[1] ?? '').toLowerCase();
        fields.set(last, field[2] ?? '');
      } else if (/^\s/.test(line) && last !== '')
        fields.set(last, `${fields.get(last) ?? ''} ${line.trim()}`);
    }
    if (!words(fields.get('types') ?? '').includes('deb')) return [];
    if (/^(no|false|0|off)$/i.test(fields.get('enabled')?.trim() ?? 'yes')) return [];
    const signedBy = fields.get('signed-by')?.trim();
    return words(fields.get('uris') ?? '').flatMap((uri) =>
      words(fields.get('suites') ?? '').map((suite) => ({
        uri,
        suite,
        components: words(fields.get('components') ?? ''),
        ...(signedBy?.startsWith('/') === true ? { signedBy } : {}),
      })),
    );
  });
}

/** All archives that the machine's apt uses. */
export async function readHostSources(aptFolder = '/etc/apt'): Promise<AptSource[]> {
  const found: AptSource[] = [];
  const main = await readIfThere(join(aptFolder, 'sources.list'));
  if (main !== null) found.push(...parseOneLine(main));
  let names: string[] = [];
  try {
    names = (await readdir(join(aptFolder, 'sources.list.d'))).sort();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  for (const name of names) {
    const text = await readIfThere(join(aptFolder, 'sources.list.d', name));
    if (text === null) continue;
    if (name.endsWith('.list')) found.push(...parseOneLine(text));
    if (name.endsWith('.sources')) found.push(...parseDeb822(text));
  }
  return found;
}

interface WantedArchive {
  suite: string;
  /** Suffixes of the suite: '' itself, '-updates', '-security'. */
  pockets: readonly string[];
  components: readonly string[];
}

/**
 * Those of the host's archives that serve the wanted suite and its pockets with the wanted components; whatever third
 * parties the host has added under other suite names or components stays out of the image.
 */
export function pickSources(sources: readonly AptSource[], wanted: WantedArchive): AptSource[] {
  const suites = wanted.pockets.map((pocket) => `${wanted.suite}${pocket}`);
  const picked = new Map<string, AptSource>();
  for (const source of sources) {
    if (!suites.includes(source.suite) || !isDistribution(source)) continue;
    const components = wanted.components.filter((component) => source.components.includes(component));
    if (components.length === 0) continue;
    const key = `${source.uri.replace(/\/+$/, '')} ${source.suite}`;
    if (!picked.has(key)) picked.set(key, { ...source, components });
  }
  return [...picked.values()].sort((a, b) => suites.indexOf(a.suite) - suites.indexOf(b.suite));
}

/**
 * Third parties name their suites after the distribution's too (`bookworm main`). The key tells them apart; where the entry
 * names none, the address does: …/debian, …/debian-security, …/ubuntu.
 */
function isDistribution({ uri, signedBy }: AptSource): boolean {
  if (signedBy !== undefined) return /\/(debian|ubuntu)-archive-[^/]*$/.test(signedBy);
  return /\/(debian|debian-security|ubuntu)\/*$/.test(uri);
}

/** Archives of a mirror that the caller named, for the suite and its pockets (Debian keeps security apart). */
export function mirrorSources(mirror: string, wanted: WantedArchive): AptSource[] {
  const base = mirror.replace(/\/+$/, '');
  return wanted.pockets.map((pocket) => ({
    uri: pocket === '-security' && base.endsWith('/debian') ? `${base}-security` : base,
    suite: `${wanted.suite}${pocket}`,
    components: [...wanted.components],
  }));
}

/** One-line sources as mmdebstrap reads them. Throws where the suite itself isn't served. */
export function formatSources(sources: readonly AptSource[], suite: string, keyring: string): string {
  if (!sources.some((source) => source.suite === suite)) {
    throw new HearthError('image_build_failed', `none of this machine's apt sources serves ${suite}`, {
      hint: `Name an archive with --mirror URL, or choose the suite of this machine with --suite.`,
    });
  }
  return sources
    .map(
      ({ uri, suite: name, components, signedBy }) =>
        `deb [signed-by=${signedBy ?? keyring}] ${uri} ${name} ${components.join(' ')}\n`,
    )
    .join('');
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
