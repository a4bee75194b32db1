import { randomBytes } from 'node:crypto';
import { HearthError, startProgress, type ErrorCode, type ImageEvent, type Log } from '@hearth/contract';
import { run } from '../../exec/run.ts';
import { prepareNamespace } from '../../network/namespace.ts';
import { openStore } from '../image-store.ts';
import { runToldChild } from '../told-child.ts';
import { closeGateRoom, openGateRoom } from './gate-rooms.ts';

const NAMESPACE_TIMEOUT_MS = 60_000;

interface RoomRun {
  store: string;
  /** Program and arguments, told the name of the room; runs in its namespace and prints image events. */
  inside: (room: string) => readonly string[];
  signal: AbortSignal;
  emit: (event: ImageEvent) => void;
  log: Log;
  /** What a failure of the child is reported as, unless it told one of its own. */
  code: ErrorCode;
}

/** Opens a room, runs a program in its namespace as a child, and clears the room away whatever happened. */
export async function runInRoom({ store, inside, signal, emit, log, code }: RoomRun): Promise<void> {
  if (process.getuid?.() !== 0) throw new HearthError('requirement_missing', 'VMs are booted by root');
  await openStore(store);
  const room = await openGateRoom(store, randomBytes(4).toString('hex'), log);
  try {
    const progress = startProgress({
      what: 'preparing the gate',
      timeoutMs: NAMESPACE_TIMEOUT_MS,
      signal,
      log,
    });
    await prepareNamespace(room.config, run, progress);
    const args = [`--net=/run/netns/${room.config.name}`, ...inside(room.config.name)];
    await runToldChild('nsenter', args, { signal, code, onEvent: emit, onText: log });
  } finally {
    await closeGateRoom(room, log);
  }
}
