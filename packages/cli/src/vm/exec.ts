import { fstat } from 'node:fs';
import { promisify } from 'node:util';
import { HearthError } from '@hearth/contract';
import { connect } from '../api/connection.ts';
import type { CommonOptions } from '../context.ts';
import { readEnvironment } from '../config.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { makeOutput } from '../terminal/output.ts';
import { parseVmId } from './follow.ts';
import { sayIfHibernated } from './hibernate.ts';
import { interruptible } from './interrupt.ts';
import { runRemoteCommand } from './remote-command.ts';

export interface ExecOptions extends CommonOptions {
  user: 'hearth' | 'root';
  cwd?: string;
  env?: Record<string, string>;
  timeout?: number;
  stdin?: boolean;
}

export async function execInVm(id: string, words: readonly string[], options: ExecOptions): Promise<void> {
  const vmId = parseVmId(id);
  const environment = readEnvironment();
  const out = makeOutput({ json: options.json ?? false, noColor: environment.noColor });
  const passInput = options.stdin === true || (await isPiped());
  const api = await connect(options, environment);
  const interrupt = interruptible();
  try {
    await sayIfHibernated(api, vmId, out, interrupt.signal);
    const exit = await runRemoteCommand(
      api,
      vmId,
      {
        command: [...words],
        user: options.user,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.timeout === undefined ? {} : { timeoutMs: Math.round(options.timeout * 1000) }),
      },
      {
        signal: interrupt.signal,
        onStarted: interrupt.onStarted,
        ...(passInput ? { stdin: process.stdin } : {}),
        onStdout: (bytes) =>
          out.json ? out.value({ type: 'stdout', dataBase64: encode(bytes) }) : out.bytes(bytes),
        onStderr: (bytes) => {
          if (out.json) out.value({ type: 'stderr', dataBase64: encode(bytes) });
          else process.stderr.write(bytes);
        },
      },
    );
    if (out.json) out.value(exit);
    if (exit.timedOut) {
      const error = new HearthError(
        'deadline_exceeded',
        `the command was ended after ${options.timeout ?? 0} s`,
        {
          vmId,
          hint: 'Give it longer with --timeout SECONDS.',
        },
      );
      out.note(`hearth: ${error.detail}`);
    }
    throw new Exit(exit.exitCode);
  } catch (error) {
    if (error instanceof HearthError && error.code === 'aborted') throw new Exit(exitCodes.interrupted);
    throw error;
  } finally {
    interrupt.release();
    process.stdin.destroy();
    await api.close();
  }
}

const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A file, pipe or socket has bytes for us; a terminal or /dev/null has none unless it is asked for. */
async function isPiped(): Promise<boolean> {
  try {
    const stat = await promisify(fstat)(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch (error) {
    // Standard input may be closed.
    if ((error as NodeJS.ErrnoException).code === 'EBADF') return false;
    throw error;
  }
}
