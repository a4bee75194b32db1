import type { LogEntry } from './log-entry.ts';

/** Entries of several logs, each by time, as one by time; at the same time in the order of the logs. Only one entry of each is held. */
export async function* mergeByTime(sources: readonly AsyncGenerator<LogEntry>[]): AsyncGenerator<LogEntry> {
  const heads: { entry: LogEntry; source: AsyncGenerator<LogEntry>; place: number }[] = [];
  const insert = async (source: AsyncGenerator<LogEntry>, place: number): Promise<void> => {
    const next = await source.next();
    if (next.done === true) return;
    const entry = next.value;
    let low = 0;
    let high = heads.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = heads[middle];
      const isBefore =
        other !== undefined &&
        (other.entry.atMs < entry.atMs || (other.entry.atMs === entry.atMs && other.place < place));
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, { entry, source, place });
  };
  for (const [place, source] of sources.entries()) await insert(source, place);
  for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
    yield head.entry;
    await insert(head.source, head.place);
  }
}

/** The last `count` of them; all where it is null. */
export async function* lastOf<T>(entries: AsyncIterable<T>, count: number | null): AsyncGenerator<T> {
  if (count === null) {
    yield* entries;
    return;
  }
  let kept: T[] = [];
  for await (const entry of entries) {
    kept.push(entry);
    if (kept.length >= 2 * count) kept = kept.slice(-count);
  }
  yield* kept.slice(-count);
}
