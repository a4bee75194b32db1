import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const runFile = promisify(execFile);
let ticksPerSecond: Promise<number> | null = null;

/** Seconds of processor time that a process and the children that it waited for have used (fields 14 to 17 of /proc/PID/stat). */
export async function cpuSeconds(pid: number): Promise<number> {
  ticksPerSecond ??= runFile('getconf', ['CLK_TCK']).then(({ stdout }) => Number(stdout));
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / (await ticksPerSecond);
}

/** Share of one core, in per cent, that a process takes over that time. */
export async function cpuPercent(pids: readonly number[], seconds: number): Promise<number[]> {
  const look = (): Promise<number[]> => Promise.all(pids.map((pid) => cpuSeconds(pid)));
  const before = await look();
  const startedMs = performance.now();
  await pause(seconds * 1000);
  const after = await look();
  const tookSeconds = (performance.now() - startedMs) / 1000;
  return after.map((used, index) => (100 * (used - (before[index] ?? 0))) / tookSeconds);
}

/** Resident memory of a process in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
