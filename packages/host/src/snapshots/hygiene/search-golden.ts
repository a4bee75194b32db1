import { HearthError, type SnapshotManifest } from '@hearth/contract';
import { goldenFiles, type SnapshotPaths } from '../snapshot-store.ts';
import { secretPatterns } from './patterns.ts';
import { searchFile, type Hit } from './search-file.ts';

export interface GoldenSearch {
  paths: SnapshotPaths;
  /** Known secrets, which must be nowhere. */
  needles: readonly string[];
  /** Found in memory and on the disk, or else the search sees nothing. */
  controls: readonly string[];
  /** Made for this VM and known to everybody: no secret. */
  harmless: readonly string[];
  /** The image's layers: what looks like a secret and is in one of them is the image's own, such as a browser's public API key. */
  layers: readonly string[];
  signal: AbortSignal;
}

/**
 * Searches memory, device state and disk of a snapshot for what no clone may have. Returns what was looked at.
 * Throws snapshot_unclean with kind, file and offset of what was found (never the value), and where a control was not.
 */
export async function searchGolden({
  paths,
  needles,
  controls,
  harmless,
  layers,
  signal,
}: GoldenSearch): Promise<SnapshotManifest['search']> {
  const hits: Hit[] = [];
  let bytes = 0;
  for (const name of goldenFiles) {
    const plan = { patterns: secretPatterns, needles, controls: name === 'state' ? [] : controls };
    const found = await searchFile(paths[name], plan, signal);
    const missed = plan.controls.filter((control) => !found.seen.has(control));
    if (missed.length > 0) {
      throw new HearthError(
        'snapshot_unclean',
        `the search is blind: ${missed.length} of ${controls.length} values that must be in ${name} were not found`,
        { hint: 'Nothing was published. This is a fault of Hearth, please report it.' },
      );
    }
    bytes += found.bytes;
    hits.push(
      ...found.hits.filter(({ value }) => !harmless.some((known) => value?.includes(known) === true)),
    );
  }
  const unclean = await withoutThoseOfImage(hits, layers, signal);
  if (unclean.length > 0) throw new HearthError('snapshot_unclean', describe(unclean));
  return { bytes, needles: needles.length, controls: controls.length };
}

async function withoutThoseOfImage(
  hits: readonly Hit[],
  layers: readonly string[],
  signal: AbortSignal,
): Promise<Hit[]> {
  const values = [...new Set(hits.flatMap(({ value }) => value ?? []))];
  const own = new Set<string>();
  for (const layer of layers) {
    const wanted = values.filter((value) => !own.has(value));
    if (wanted.length === 0) break;
    const { seen } = await searchFile(layer, { patterns: [], needles: [], controls: wanted }, signal);
    for (const value of seen) own.add(value);
  }
  return hits.filter(({ value }) => value === null || !own.has(value));
}

/** One line a kind and file: the first place, and how many there are. */
function describe(hits: readonly Hit[]): string {
  const groups = Map.groupBy(hits, ({ what, file }) => `${what} in ${file}`);
  return [...groups]
    .map(([what, { length, 0: first }]) => {
      const more = length > 1 ? ` and at ${length - 1} other places` : '';
      return `${what} at byte ${first?.offset ?? 0}${more}`;
    })
    .join('; ');
}
