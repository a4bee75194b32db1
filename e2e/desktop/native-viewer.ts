import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Vm } from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';
import { SCREEN_SCRIPT } from './guest.ts';
import { readScreen, type Picture } from './picture.ts';

const runFile = promisify(execFile);

/** Runs Debian's TigerVNC viewer, full screen on an X server of its own, through `hearth vm vnc`. */
export interface NativeViewer extends AsyncDisposable {
  /** What the viewer shows. */
  screen(): Promise<Picture>;
}

export async function openNativeViewer(
  lab: HearthLab,
  vm: Vm,
  { width, height }: { width: number; height: number },
): Promise<NativeViewer> {
  const started: ChildProcess[] = [];
  const end = async (): Promise<void> => {
    for (const child of started.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(timer);
    }
  };
  try {
    const bridge = lab.start(['vm', 'vnc', vm.id, '--json']);
    started.push(bridge);
    const { address, port } = JSON.parse(await firstLine(bridge)) as { address: string; port: number };

    const server = spawn(
      'Xtigervnc',
      [
        ...['-displayfd', '3', '-geometry', `${width}x${height}`, '-depth', '24', '-nolisten', 'tcp'],
        ...['-localhost', '-SecurityTypes', 'None', '-rfbport', '-1'],
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
    );
    started.push(server);
    const display = await firstLine({
      stdout: server.stdio[3] as ChildProcess['stdout'],
      once: server.once.bind(server),
    });
    started.push(
      spawn('xtigervncviewer', ['-FullScreen', '-Shared', '-RemoteResize=0', `${address}::${port}`], {
        env: { PATH: process.env['PATH'], HOME: '/nonexistent', DISPLAY: `:${display}` },
        stdio: 'ignore',
      }),
    );
    return {
      screen: async () => {
        const { stdout } = await runFile(process.execPath, [SCREEN_SCRIPT, display], {
          encoding: 'buffer',
          maxBuffer: 64 * 1024 * 1024,
        });
        return readScreen(stdout);
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function firstLine(child: Pick<ChildProcess, 'stdout' | 'once'>): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error('there is no output to read');
  const line = Promise.withResolvers<string>();
  child.once('exit', (code) => line.reject(new Error(`it ended with ${String(code)}`)));
  createInterface(stdout).once('line', line.resolve);
  return line.promise;
}
