import { errorOf, holdsThings, isGivenUp, valueOf, type Evidence } from '../evidence.ts';
import { broken, notHad, ok, skipped, unknown, type Judge } from './judgement.ts';

/** Below this the host's disk counts as full: QEMU, its journal and the consoles have no room left. */
const FULL_BELOW_MIB = 64;

const ranOnce = ({ record }: Evidence): boolean =>
  record.phases.some(({ phase }) => phase === 'vmm') || record.vmm !== null;

export const judgeRecord: Judge<'record'> = (evidence) => {
  const { state, version, origin, failure } = evidence.record;
  const seen = [`${state}, version ${version}, came from ${origin ?? 'nothing yet'}`];
  if (failure === null) return ok(`The host has it as ${state}`, seen);
  seen.push(`${failure.code}: ${failure.detail}`);
  return isGivenUp(evidence) && !ranOnce(evidence)
    ? broken('never_started', `${failure.title}: ${failure.detail}`, seen)
    : ok(`The host has it as ${state}: ${failure.title}`, seen);
};

export const judgeProcess: Judge<'process'> = (evidence) => {
  const { record, process, lastFault } = evidence;
  const sight = valueOf(process);
  const words = lastFault?.code === 'vmm_failed' ? [lastFault.detail] : [];
  if (process === null)
    return holdsThings(evidence) && ranOnce(evidence)
      ? broken('vmm_killed', words[0] ?? 'No process of it is known any more', words)
      : skipped('It has no process now');
  if (sight === undefined) return notHad(errorOf(process), '');
  if (sight === null) {
    const pid = record.vmm?.pid;
    const which = `Its process${pid === undefined ? '' : ` ${pid}`} is gone`;
    return broken('vmm_killed', words[0] ?? which, words.length === 0 ? [] : [which]);
  }
  const seen = `pid ${sight.pid}, state ${sight.state}`;
  if (!sight.commandLine.includes(record.id))
    return broken('vmm_killed', `Process ${sight.pid} is another program by now`, [
      seen,
      sight.commandLine.slice(0, 80),
    ]);
  if (sight.state === 'T' || sight.state === 't')
    return broken('vmm_stopped', `Process ${sight.pid} is stopped`, [seen]);
  return ok('Its process runs', [seen]);
};

export const judgeDisk: Judge<'disk'> = (evidence) => {
  const { record, upperIsThere, freeMiB, stateDir, lastFault } = evidence;
  const free = valueOf(freeMiB);
  const seen = free === undefined ? [] : [`${free} MiB free below ${stateDir}`];
  if (valueOf(upperIsThere) === false) return broken('upper_disk_missing', 'Its file is not there', seen);
  const told = [record.failure, lastFault].find((fault) => fault?.code === 'disk_full');
  if (isGivenUp(evidence) && told != null)
    return broken('host_disk_full', told.detail, [...seen, told.detail]);
  if (free !== undefined && free < FULL_BELOW_MIB)
    return broken('host_disk_full', `${free} MiB are free below ${stateDir}`, seen);
  const error = errorOf(upperIsThere) ?? errorOf(freeMiB);
  if (error !== undefined) return unknown(error.detail, seen);
  return ok(upperIsThere === null ? 'The host has room' : 'Its disk is there, and the host has room', seen);
};

export const judgeVmm: Judge<'vmm'> = ({ vmm }) => {
  const sight = valueOf(vmm);
  const error = errorOf(vmm);
  if (sight === undefined)
    return error?.code === 'vmm_failed'
      ? broken('vmm_silent', error.detail)
      : notHad(error, 'No VMM of it is connected');
  const seen = [`status ${sight.status}`];
  return sight.running
    ? ok('Its processors run', seen)
    : broken('vmm_paused', `It is in state ${sight.status}`, seen);
};
