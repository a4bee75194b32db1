import { InvalidArgumentError, type Command } from 'commander';

/** For what reads the configuration or starts something here. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (JSON)')
    .option('--json', 'print JSON for programs; errors too, on standard error')
    .option('--verbose', 'on an error, print its chain of causes');
}

/** For calls of the API, of this machine or another. */
export function withApiOptions(command: Command): Command {
  return withCommonOptions(command)
    .option('--url <address>', 'address of the controller, e.g. http://127.0.0.1:4000')
    .option('--token-file <file>', 'file that holds your token');
}

export function parseWholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new InvalidArgumentError('expected seconds, at most 86400 (a day).');
  return seconds;
}

export function parsePort(text: string): number {
  const port = parseWholeNumber(text);
  if (port > 65_535) throw new InvalidArgumentError('expected a port from 1 to 65535.');
  return port;
}

/** Collects `--env A=1 --env B=2`. */
export function collectAssignment(
  text: string,
  earlier: Record<string, string> | undefined,
): Record<string, string> {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('expected NAME=VALUE.');
  const [, name = '', value = ''] = match;
  return { ...earlier, [name]: value };
}
