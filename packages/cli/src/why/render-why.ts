import { checkWords, hintFor, type Finding, type Why, type WhyCheck } from '@hearth/contract';
import { formatAge, formatDuration } from '../terminal/duration.ts';
import type { Paint } from '../terminal/output.ts';
import { plainLine, toAscii, wrapText } from '../terminal/plain-text.ts';

export interface WhyView {
  paint: Paint;
  /** Of the terminal. */
  columns: number;
  utf8: boolean;
  nowMs: number;
}

const MARK_COLUMNS = 4;
const NAME_COLUMNS = Math.max(...Object.values(checkWords).map(({ length }) => length));
const SAYS_COLUMN = MARK_COLUMNS + NAME_COLUMNS + 2;

/** The verdict, then the way to the VM layer by layer; the first broken one with what shows it and what to do. */
export function renderWhy(why: Why, view: WhyView): string {
  const { paint } = view;
  const text = [
    `${paint.bold(why.vmId)}  ${verdict(why, paint)}`,
    '',
    ...why.checks.flatMap((check) => [
      renderCheck(check, view),
      ...(why.finding?.check === check.name ? drawnOut(why, why.finding, check, view) : []),
    ]),
    ...(why.finding !== null && why.checks.every(({ name }) => name !== why.finding?.check)
      ? drawnOut(why, why.finding, null, view)
      : []),
    '',
    paint.dim(lookedAt(why, view.nowMs)),
  ].join('\n');
  return view.utf8 ? text : toAscii(text);
}

function verdict({ verdict, summary }: Why, paint: Paint): string {
  const words = plainLine(summary);
  if (verdict === 'healthy') return paint.good(words);
  return verdict === 'broken' ? paint.bad(words) : paint.warn(words);
}

function renderCheck({ name, status, says }: WhyCheck, { paint, columns }: WhyView): string {
  const words = wrapText(plainLine(says), columns, SAYS_COLUMN);
  const line = `${checkWords[name].padEnd(NAME_COLUMNS)}  `;
  switch (status) {
    case 'ok':
      return `  ${paint.good('✓')} ${line}${words}`;
    case 'broken':
      return `  ${paint.bad('✗')} ${paint.bad(line)}${words}`;
    case 'unknown':
      return `  ${paint.warn('?')} ${line}${paint.dim(words)}`;
    case 'skipped':
      return paint.dim(`  – ${line}${words}`);
  }
}

/** Under the first broken layer, without what was said already: its cause, what shows it, what to do. */
function drawnOut(why: Why, finding: Finding, check: WhyCheck | null, view: WhyView): string[] {
  const { paint, columns } = view;
  const indent = ' '.repeat(MARK_COLUMNS + 2);
  const set = (text: string): string => wrapText(plainLine(text), columns, indent.length + 2);
  const said = [why.summary, check?.says, ''];
  const told = [finding.title, finding.detail].filter((words) => !said.includes(words));
  return [
    ...(told.length === 0 ? [] : [`${indent}${paint.bold(set(told.join(': ')))}`]),
    ...(check?.evidence ?? []).map((line) => `${indent}${paint.dim('|')} ${plainLine(line)}`),
    `${indent}→ ${set(hintFor(finding.hint, why.vmId))}`,
  ];
}

const triggerWords: Readonly<Record<Why['trigger'], string>> = {
  asked: 'looked at',
  failed: 'kept when it failed,',
  unhealthy: 'kept when it stopped answering,',
};

function lookedAt({ at, trigger, tookMs }: Why, nowMs: number): string {
  const ago = trigger === 'asked' ? '' : ` (${formatAge(at, nowMs)} ago)`;
  return `${triggerWords[trigger]} ${at}${ago}, in ${formatDuration(tookMs)}`;
}
