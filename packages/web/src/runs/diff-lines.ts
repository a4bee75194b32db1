export type DiffLineKind = 'hunk' | 'added' | 'removed' | 'same' | 'note';
export interface DiffLine {
  kind: DiffLineKind;
  text: string;
}

/** Lines of a unified diff of one file, without its header. */
export function diffLines(diff: string): DiffLine[] {
  const lines: DiffLine[] = [];
  let inHunk = false;
  for (const text of diff.replace(/\n$/, '').split('\n')) {
    if (text.startsWith('@@')) inHunk = true;
    // Before the first hunk there are names only; a removed line may look like one.
    if (!inHunk) continue;
    lines.push({ kind: kindOf(text), text });
  }
  return lines;
}

export function countLines(lines: readonly DiffLine[]): { added: number; removed: number } {
  const count = (kind: DiffLineKind): number => lines.filter((line) => line.kind === kind).length;
  return { added: count('added'), removed: count('removed') };
}

function kindOf(text: string): DiffLineKind {
  switch (text[0]) {
    case '@':
      return 'hunk';
    case '+':
      return 'added';
    case '-':
      return 'removed';
    case '\\':
      return 'note';
    default:
      return 'same';
  }
}
