import { HearthError, pause, type Config } from '@hearth/contract';
import type { Context } from '../context.ts';
import { logSize, parseLogLine, readLogSince } from './daemon-log.ts';
import { places } from './places.ts';
import { livingProcess } from './process-identity.ts';
import { stopDaemons } from './stop-daemons.ts';

const LOOK_MS = 500;
const SHOWN_LEVELS = new Set(['warn', 'error', 'fatal']);

const fateWords: Readonly<Record<Config['host']['onStop'], string>> = {
  stay: 'VMs go on',
  hibernate: 'CLI VMs are hibernated, others deleted (`host.onStop`)',
  delete: 'VMs are deleted (`host.onStop`)',
};

/** Shows warnings of both daemons until Ctrl-C, then stops them; what becomes of the VMs is configured. */
export async function stayInForeground(config: Config, { out, signal }: Context): Promise<void> {
  const { hostLog, controllerLog, hostPid, controllerPid } = places(config);
  const watched = [
    { name: 'host', log: hostLog, pidFile: hostPid, offset: await logSize(hostLog) },
    { name: 'controller', log: controllerLog, pidFile: controllerPid, offset: await logSize(controllerLog) },
  ];
  const look = async (): Promise<void> => {
    for (const daemon of watched) {
      const read = await readLogSince(daemon.log, daemon.offset);
      daemon.offset = read.offset;
      for (const { level, message } of read.lines.map(parseLogLine))
        if (SHOWN_LEVELS.has(level)) out.note(`${out.paint.warn(level)} ${daemon.name}: ${message}`);
    }
  };
  const untilEnd = async (): Promise<string> => {
    for (;;) {
      await look();
      for (const { name, pidFile } of watched) if ((await livingProcess(pidFile)) === null) return name;
      await pause(LOOK_MS, signal);
    }
  };
  let dead: string | undefined;
  try {
    dead = await untilEnd();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  out.note(`stopping the daemons; ${fateWords[config.host.onStop]}`);
  await stopDaemons(config, 'configured');
  await look();
  if (dead !== undefined)
    throw new HearthError('internal', `the ${dead} daemon ended by itself; the other one was stopped`, {
      hint: `Its last words are in ${dead === 'host' ? hostLog : controllerLog}; start again with \`hearth up\`.`,
    });
  out.note('stopped; `hearth up` goes on from here, `hearth down` frees the VMs');
}
