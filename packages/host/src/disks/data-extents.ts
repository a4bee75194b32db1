import { run } from '../exec/run.ts';

/** A part of a file that has blocks on the disk; what lies between two of them reads as zeros. */
export interface DataExtent {
  /** Bytes from the file's start. */
  start: number;
  end: number;
}

const UNIT_BYTES = 4096;
/** Done; and as filefrag ends where the file system (tmpfs) has no such map: its failure, EINVAL, ENOTTY, EOPNOTSUPP. */
const OK_CODES = [0, 1, 22, 25, 95];
const ROW = /^\s*\d+:\s+(\d+)\.\.\s*(\d+):/;

/**
 * Where a sparse file has data, in order, so that 16 GiB of holes need not be read. null where the file system doesn't say:
 * then anything may be data. (Node has no SEEK_DATA.)
 */
export async function dataExtents(path: string, signal?: AbortSignal): Promise<DataExtent[] | null> {
  const { stdout, exitCode } = await run('filefrag', ['-s', '-v', `-b${UNIT_BYTES}`, path], {
    ...{ okCodes: OK_CODES, timeoutMs: 120_000 },
    ...(signal === undefined ? {} : { signal }),
  });
  return exitCode === 0 ? parseExtents(stdout) : null;
}

/** What `filefrag -v -b4096` prints; null where it is not that. */
export function parseExtents(text: string): DataExtent[] | null {
  if (!/^\s*ext:/m.test(text)) return /: 0 extents found/.test(text) ? [] : null;
  return text.split('\n').flatMap((line) => {
    const row = ROW.exec(line);
    return row === null
      ? []
      : [{ start: Number(row[1]) * UNIT_BYTES, end: (Number(row[2]) + 1) * UNIT_BYTES }];
  });
}

/** Has this range data? null: not known, so yes. */
export function holdsData(extents: readonly DataExtent[] | null, start: number, end: number): boolean {
  return extents === null || extents.some((extent) => extent.start < end && start < extent.end);
}
