import type { RunChanges } from '@hearth/contract';
import { structuredPatch, type StructuredPatchHunk } from 'diff';
import { setImmediate } from 'node:timers/promises';
import type { GuestChanges } from '../domain/runs/guest-output.ts';

type GuestFile = GuestChanges['files'][number];

/** Comparing one file may hold the event loop for so long; a diff that takes longer is left out. */
const COMPARE_TIMEOUT_MS = 50;

/** Unified diffs of what a run changed, from the texts before and after. */
export async function diffChanges({ files, truncated }: GuestChanges): Promise<RunChanges> {
  const changes: RunChanges['changes'] = [];
  for (const file of files) {
    changes.push({ path: file.path, change: file.change, diff: diffFile(file) });
    // Others get their turn between two files.
    await setImmediate();
  }
  return { changes, truncated };
}

/** null: binary, too large, or too different to be compared in time. */
function diffFile({ path, change, before, after }: GuestFile): string | null {
  const [from, to] = [`a/${path}`, `b/${path}`];
  switch (change) {
    case 'added':
      return after === null ? null : format('/dev/null', to, [wholeText(after, '+')]);
    case 'removed':
      return before === null ? null : format(from, '/dev/null', [wholeText(before, '-')]);
    case 'changed': {
      if (before === null || after === null) return null;
      const options = { context: 3, timeout: COMPARE_TIMEOUT_MS };
      const patch = structuredPatch(from, to, before, after, undefined, undefined, options);
      return patch === undefined ? null : format(from, to, patch.hunks);
    }
  }
}

function wholeText(text: string, sign: '+' | '-'): StructuredPatchHunk {
  const lines = text.split('\n');
  const whole = lines.at(-1) === '';
  if (whole) lines.pop();
  const signed = lines.map((line) => sign + line);
  if (!whole) signed.push('\\ No newline at end of file');
  const [none, all] = [
    { start: 0, lines: 0 },
    { start: lines.length === 0 ? 0 : 1, lines: lines.length },
  ];
  const [old, next] = sign === '+' ? [none, all] : [all, none];
  return {
    oldStart: old.start,
    oldLines: old.lines,
    newStart: next.start,
    newLines: next.lines,
    lines: signed,
  };
}

const format = (from: string, to: string, hunks: readonly StructuredPatchHunk[]): string =>
  [
    `--- ${from}`,
    `+++ ${to}`,
    ...hunks
      .filter(({ lines }) => lines.length > 0)
      .flatMap(({ oldStart, oldLines, newStart, newLines, lines }) => [
        `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`,
        ...lines,
      ]),
    '',
  ].join('\n');
