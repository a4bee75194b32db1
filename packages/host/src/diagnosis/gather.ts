import { stat } from 'node:fs/promises';
import {
  AGENT_PORT,
  asHearthError,
  guestReportSchema,
  HearthError,
  parseWith,
  VNC_PORT,
  type AgentHealth,
  type Progress,
  type Why,
} from '@hearth/contract';
import { holdsThings, valueOf, type Evidence, type Had, type Maybe, type ReportSight } from './evidence.ts';
import { looks, type Looks } from './look/looks.ts';
import type { Reach } from './look/reach.ts';
import type { DiagnosisOptions } from './options.ts';
import type { DiagnosisSubject } from './subject.ts';

const LOCAL_TIMEOUT_MS = 8000;
/** On hardware; a slower machine gets more. */
const MONITOR_TIMEOUT_MS = 3000;
const PING_TIMEOUT_MS = 5000;
const REPORT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5000;

/** What came of it; never rejects. */
async function had<T>(
  code: 'internal' | 'network_failed' | 'agent_unreachable',
  looking: Promise<T>,
): Promise<Had<T>> {
  try {
    return { value: await looking };
  } catch (error) {
    return { error: asHearthError(error, code) };
  }
}

/** Looks everywhere, side by side, but where the VMM's state shows that nobody can answer. Rejects never. */
export async function gather(
  subject: DiagnosisSubject,
  trigger: Why['trigger'],
  { config, plan, network, book, agents, now, see = looks }: DiagnosisOptions,
  /** How much longer than on hardware a guest may take. */
  factor: number,
  progress: Progress,
): Promise<Evidence> {
  const { record, paths } = subject;
  const holds = holdsThings({ record });
  const local = progress.child('looking at the host', LOCAL_TIMEOUT_MS);
  const identity = subject.vmm?.process ?? record.vmm;
  const [process, upperIsThere, free, console, sight, guest] = await Promise.all([
    identity === null ? null : had('internal', see.process(identity)),
    holds ? had('internal', exists(paths.upper)) : null,
    had('internal', see.freeMiB(config.stateDir)),
    had('internal', see.console(paths.console, record.requestedAtMs)),
    had('network_failed', network.sight(local)),
    askGuest(subject, agents, { now, see, factor, progress }),
  ]);
  return {
    ...{ record, trigger, plan, process, upperIsThere, console, ...guest },
    nowMs: now(),
    kernelArguments: config.vms.kernelArguments,
    agentVersion: subject.manifest?.agent.version ?? null,
    others: book
      .list()
      .filter(({ vmId }) => vmId !== record.id)
      .map(({ vmId, address }) => ({ vmId, machineId: address.machineId })),
    stateDir: config.stateDir,
    lastFault: subject.lastFault,
    freeMiB: free,
    controlOpen: subject.controlOpen,
    words: subject.words,
    network: sight,
  };
}

interface Asking {
  now: () => number;
  see: Looks;
  factor: number;
  progress: Progress;
}

type GuestEvidence = Pick<Evidence, 'vmm' | 'ping' | 'report' | 'reach' | 'health' | 'display'>;

async function askGuest(
  subject: DiagnosisSubject,
  agents: DiagnosisOptions['agents'],
  asking: Asking,
): Promise<GuestEvidence> {
  const none = { ping: null, report: null, reach: null, health: null, display: null };
  const { vmm, record } = subject;
  if (vmm === null) return { vmm: null, ...none };
  const { see, factor, progress } = asking;
  const vmmProcess = await had('internal', see.process(vmm.process));
  const state = valueOf(vmmProcess)?.state;
  if ('value' in vmmProcess && (state === undefined || state === 'T' || state === 't'))
    return nobodyAnswers(state === undefined ? 'its VMM is gone' : 'its VMM is stopped');
  const inspected = await had(
    'internal',
    vmm.inspect(progress.child("the VMM's monitor", MONITOR_TIMEOUT_MS * factor)),
  );
  const status = valueOf(inspected);
  if (status?.running === false) return { ...nobodyAnswers('its processors are paused'), vmm: inspected };
  if (!holdsThings({ record })) return { vmm: inspected, ...none };
  const [talk, calls] = await Promise.all([
    talkWithGuest(subject, status?.guestHasControl ?? null, asking),
    callOverNetwork(subject, agents, asking),
  ]);
  return { vmm: inspected, ...talk, ...calls };
}

function nobodyAnswers(reason: string): GuestEvidence {
  const none: Had<never> = { error: new HearthError('guest_not_ready', `Not asked: ${reason}`) };
  return { vmm: none, ping: none, report: none, reach: none, health: none, display: none };
}

/**
 * By the control channel. An agent that doesn't answer a ping gives no report.
 * @param guestHasControl as the VMM says; where nobody in the guest has its end open, nobody is waited for
 */
async function talkWithGuest(
  { ask, controlOpen }: DiagnosisSubject,
  guestHasControl: boolean | null,
  { now, factor, progress }: Asking,
): Promise<Pick<Evidence, 'ping' | 'report'>> {
  const closed: Had<never> = {
    error: new HearthError('control_channel_failed', 'the control channel is closed'),
  };
  if (!controlOpen || guestHasControl === false) return { ping: closed, report: closed };
  const start = performance.now();
  const pinging = had(
    'internal',
    ask({ type: 'ping' }, progress.child('a ping to the guest', PING_TIMEOUT_MS * factor)).then(
      () => performance.now() - start,
    ),
  );
  const askedAtMs = now();
  const reporting = had(
    'internal',
    ask({ type: 'report' }, progress.child("the guest's report", REPORT_TIMEOUT_MS * factor)).then(
      (data): ReportSight => ({
        report: parseWith(guestReportSchema, data, 'control_channel_failed', "the guest's report"),
        askedAtMs,
        answeredAtMs: now(),
      }),
    ),
  );
  const ping = await Promise.race([
    pinging,
    reporting.then((report) => ('value' in report ? null : pinging)),
  ]);
  if (ping !== null && 'error' in ping) return { ping, report: ping };
  return { ping, report: await reporting };
}

/** As everybody else does. */
async function callOverNetwork(
  { endpoint, vncPassword, record }: DiagnosisSubject,
  agents: DiagnosisOptions['agents'],
  { see, factor, progress }: Asking,
): Promise<Pick<Evidence, 'reach' | 'health' | 'display'>> {
  if (endpoint === null) return { reach: null, health: null, display: null };
  const within = (what: string): Progress => progress.child(what, ANSWER_TIMEOUT_MS * factor);
  const { ip } = endpoint;
  const hasDesktop = record.kind === 'browser' && vncPassword !== null;
  const reach = await had<Reach>(
    'agent_unreachable',
    see.reach(ip, AGENT_PORT, within('a connection to the agent')),
  );
  const outcome = valueOf(reach)?.outcome;
  const noWay: Had<never> = {
    error: new HearthError('agent_unreachable', valueOf(reach)?.detail ?? 'the guest could not be dialled'),
  };
  const calling: Promise<Maybe<AgentHealth>> =
    outcome === 'accepted'
      ? had('agent_unreachable', agents.health(endpoint, within("the agent's /health")))
      : Promise.resolve(noWay);
  const looking: Promise<Maybe<string>> = !hasDesktop
    ? Promise.resolve(null)
    : outcome === 'accepted' || outcome === 'refused'
      ? had('agent_unreachable', see.display(ip, VNC_PORT, vncPassword, within('the display')))
      : Promise.resolve(noWay);
  const [health, display] = await Promise.all([calling, looking]);
  return { reach, health, display };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
