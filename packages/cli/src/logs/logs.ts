import { HearthError, pause, requestIdSchema } from '@hearth/contract';
import { loadConfig } from '../config.ts';
import { makeContext, type CommonOptions } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import type { Output, Paint } from '../terminal/output.ts';
import { plainLine } from '../terminal/plain-text.ts';
import { parseVmId } from '../vm/follow.ts';
import { fieldsOf, logLevels, type LogEntry, type LogLevel, type LogPart } from './log-entry.ts';
import { findSources } from './log-sources.ts';
import { lastOf, mergeByTime } from './merge.ts';

const FOLLOW_PERIOD_MS = 400;
/** Where nothing narrows it down; who follows wants to see a little of what was before. */
const DEFAULT_LINES = 200;
const DEFAULT_LINES_FOLLOWED = 10;

export interface LogsOptions extends CommonOptions {
  request?: string;
  vm?: string;
  part?: LogPart;
  /** Epoch milliseconds. */
  since?: number;
  level?: LogLevel;
  follow?: boolean;
  lines?: number;
}

/** Prints what controller, host and guests said, in the order in which it was said. */
export async function showLogs(options: LogsOptions): Promise<void> {
  const { environment, out, signal } = makeContext(options);
  const wanted = filterOf(options);
  const config = await loadConfig(options.config, environment);
  const find = findSources(config, { vmId: options.vm, part: options.part });
  const isNarrow = options.request !== undefined || options.since !== undefined;
  const usual = options.follow === true ? DEFAULT_LINES_FOLLOWED : DEFAULT_LINES;
  const count = options.lines ?? (isNarrow ? null : usual);
  const read = async function* (): AsyncGenerator<LogEntry> {
    const sources = await find();
    for await (const entry of mergeByTime(sources.map((source) => source.read())))
      if (wanted(entry)) yield entry;
  };
  let told = 0;
  const tell = (entry: LogEntry): void => {
    told += 1;
    printEntry(entry, out);
  };
  for await (const entry of lastOf(read(), count)) tell(entry);
  if (options.follow !== true) {
    if (told === 0) out.note('nothing is logged that fits');
    return;
  }
  for (;;) {
    try {
      await pause(FOLLOW_PERIOD_MS, signal);
    } catch (error) {
      // Ctrl-C is how following ends.
      if (signal.aborted) throw new Exit(exitCodes.interrupted);
      throw error;
    }
    for await (const entry of read()) tell(entry);
  }
}

/** Throws bad_request for what is no id. */
function filterOf({ request, vm, part, since, level }: LogsOptions): (entry: LogEntry) => boolean {
  if (vm !== undefined) parseVmId(vm);
  if (request !== undefined && !requestIdSchema.safeParse(request).success)
    throw new HearthError('bad_request', `"${request}" is not the id of a request`, {
      hint: 'Every error names it, and the header x-request-id of every answer.',
    });
  const least = level === undefined ? 0 : logLevels.indexOf(level);
  return (entry) =>
    (request === undefined || entry.requestId === request) &&
    (vm === undefined || entry.vmId === vm) &&
    (part === undefined || entry.part === part) &&
    (since === undefined || entry.atMs >= since) &&
    logLevels.indexOf(entry.level) >= least;
}

function printEntry(entry: LogEntry, out: Output): void {
  if (out.json) out.bytes(`${asciiControls(JSON.stringify(entry.line))}\n`);
  else out.line(renderEntry(entry, out.paint));
}

/** JSON leaves them as they are, terminals obey them. */
const asciiControls = (json: string): string =>
  json.replaceAll(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** `time  part  level  message  key=value…`; nothing of it steers the terminal, whoever wrote it. */
export function renderEntry(entry: LogEntry, paint: Paint): string {
  const { atMs, part, level, message } = entry;
  const colour = {
    ...{ trace: paint.dim, debug: paint.dim, info: (text: string) => text },
    ...{ warn: paint.warn, error: paint.bad, fatal: paint.bad },
  }[level];
  const fields = fieldsOf(entry).map(plainLine);
  return [
    paint.dim(new Date(atMs).toISOString()),
    part.padEnd(10),
    colour(level.padEnd(5)),
    colour(plainLine(message)),
    ...(fields.length === 0 ? [] : [paint.dim(fields.join(' '))]),
  ].join('  ');
}
