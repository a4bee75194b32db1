import { open } from 'node:fs/promises';
import { dataExtents, holdsData } from '../../disks/data-extents.ts';
import { literalsOf, needleLiterals, type Literal } from './needles.ts';
import type { SecretPattern } from './patterns.ts';

const PIECE_BYTES = 1024 * 1024;
/** Read again around each piece, so that nothing is missed at its borders: more than twice the widest pattern. */
const BORDER_BYTES = 8192;

/** Something found; the value leaves this process in no message. */
export interface Hit {
  what: string;
  file: string;
  /** Bytes from the file's start. */
  offset: number;
  /** What looks like a secret; null for a known one. */
  value: string | null;
}

export interface SearchPlan {
  patterns: readonly SecretPattern[];
  /** Known secrets. */
  needles: readonly string[];
  /** Values that are surely there: the proof that the search sees. */
  controls: readonly string[];
}

export interface FileFindings {
  hits: Hit[];
  /** Those of the controls that were found. */
  seen: Set<string>;
  /** Bytes that were looked at: holes and zeros count for none. */
  bytes: number;
}

/** Looks through a whole file for what the plan names. A file of memory or a disk: text lies anywhere in it, in UTF-8 or UTF-16. */
export async function searchFile(path: string, plan: SearchPlan, signal: AbortSignal): Promise<FileFindings> {
  const findings: FileFindings = { hits: [], seen: new Set(), bytes: 0 };
  const scanners = [patternScanner(plan.patterns), needleScanner(plan.needles)].filter(
    (scanner) => scanner !== null,
  );
  for await (const piece of pieces(path, signal)) {
    findings.bytes += piece.to - piece.from;
    for (const scan of scanners) findings.hits.push(...scan(piece, path));
    for (const control of plan.controls)
      if (!findings.seen.has(control) && literalsOf(control).some(({ bytes }) => piece.text.includes(bytes)))
        findings.seen.add(control);
  }
  return findings;
}

interface Piece {
  /** Of the file, as latin1, with borders. */
  text: string;
  /** Offset of `text` in the file. */
  start: number;
  /** The part of `text` that no other piece answers for. */
  from: number;
  to: number;
}

async function* pieces(path: string, signal: AbortSignal): AsyncGenerator<Piece> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES + 2 * BORDER_BYTES);
  const zeros = Buffer.alloc(buffer.length);
  await using file = await open(path);
  const { size } = await file.stat();
  const extents = await dataExtents(path, signal);
  for (let position = 0; position < size; position += PIECE_BYTES) {
    signal.throwIfAborted();
    const start = Math.max(0, position - BORDER_BYTES);
    if (!holdsData(extents, start, position + PIECE_BYTES + BORDER_BYTES)) continue;
    const { bytesRead } = await file.read(buffer, 0, position + PIECE_BYTES + BORDER_BYTES - start, start);
    const read = buffer.subarray(0, bytesRead);
    if (read.equals(zeros.subarray(0, bytesRead))) continue;
    const to = Math.min(position + PIECE_BYTES, start + bytesRead) - start;
    yield { text: read.toString('latin1'), start, from: position - start, to };
  }
}

type Scanner = (piece: Piece, file: string) => Hit[];

function needleScanner(needles: readonly string[]): Scanner | null {
  if (needles.length === 0) return null;
  const regex = anyOf(needles.flatMap(needleLiterals));
  return (piece, file) =>
    [...matches(regex, piece)].map(({ index }) => ({
      ...{ what: 'known secret', file, offset: piece.start + index, value: null },
    }));
}

function patternScanner(patterns: readonly SecretPattern[]): Scanner | null {
  if (patterns.length === 0) return null;
  const byBytes = new Map<string, { pattern: SecretPattern; wide: boolean }>();
  for (const pattern of patterns)
    for (const { bytes, wide } of literalsOf(pattern.anchor)) byBytes.set(bytes, { pattern, wide });
  const regex = anyOf([...byBytes.keys()].map((bytes) => ({ bytes, wide: false })));
  return (piece, file) => {
    const hits: Hit[] = [];
    for (const { index, bytes } of matches(regex, piece)) {
      const anchor = byBytes.get(bytes);
      if (anchor === undefined) continue;
      const { pattern, wide } = anchor;
      const value = pattern.shape.exec(textAround(piece.text, index, pattern, wide))?.[0];
      if (value !== undefined) hits.push({ what: pattern.what, file, offset: piece.start + index, value });
    }
    return hits;
  };
}

function textAround(text: string, index: number, { before, after }: SecretPattern, wide: boolean): string {
  const width = wide ? 2 : 1;
  const start = Math.max(index % width, index - before * width);
  const bytes = text.slice(start, index + after * width);
  return wide ? Buffer.from(bytes, 'latin1').toString('utf16le') : bytes;
}

/** Longer ones first: of two that begin at the same place the longer is told. */
function anyOf(literals: readonly Literal[]): RegExp {
  const sources = literals
    .map(({ bytes }) => bytes)
    .sort((a, b) => b.length - a.length)
    .map((bytes) => bytes.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return new RegExp(sources.join('|'), 'g');
}

function* matches(regex: RegExp, { text, from, to }: Piece): Generator<{ index: number; bytes: string }> {
  regex.lastIndex = from;
  for (let match = regex.exec(text); match !== null && match.index < to; match = regex.exec(text)) {
    yield { index: match.index, bytes: match[0] };
    // One may begin inside another.
    regex.lastIndex = match.index + 1;
  }
}
