/** Documented in `hearth --help`; a command run in a VM (`vm exec`, `run`) exits with its own code. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  /** Wrong words on the command line. */
  usage: 2,
  notRunning: 3,
  /** Ended by Ctrl-C, as a shell gives it. */
  interrupted: 130,
  /** Nobody reads our output any more, as a shell gives it. */
  brokenPipe: 141,
} as const;

/** Ends the command with this exit code and without a word: what there was to say has been said. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}
