import { terminalRunStates, terminalSigninStates, type Signin, type Vm } from '@hearth/contract';
import type { Person } from '../../e2e/signin/person.ts';
import { until, type HearthApi } from './hearth-api.ts';

/** An emulated guest starts a tool in seconds, or in half a minute. */
const SLOW_MS = 240_000;
export const VM_SETTLE_MS = 180_000;
const POLL_MS = 100;

export const operationNames = ['create', 'sign-in', 'run', 'delete'] as const;
export type OperationName = (typeof operationNames)[number];

/** Something that a person asks for. */
export interface Operation {
  readonly name: OperationName;
  /** Where dnsmasq may be killed: states and phases of its VM on the host, or states of the sign-in or run. */
  readonly phases: readonly string[];
  /** Those of them in which it has a VMM. */
  readonly vmmPhases: readonly string[];
  /** What must be there before. */
  prepare(): Promise<void>;
  /** Asks for it and waits for its end; throws unless it ended well. */
  perform(onPhase: (phase: string) => void): Promise<void>;
}

export interface OperationDeps {
  api: HearthApi;
  person: Person;
  /** VMs and runs that the API accepted: they must be readable from then on (F25). */
  accepted: { vms: Set<Vm['id']> };
}

export function makeOperations({ api, person, accepted }: OperationDeps): Operation[] {
  let doomed: Vm['id'] | null = null;
  const createReady = async (): Promise<Vm> => {
    const { id } = await api.createVm();
    accepted.vms.add(id);
    const vm = await until(
      `the end of the start of ${id}`,
      () => api.vm(id),
      ({ state }) => state !== 'requested' && state !== 'starting',
      { timeoutMs: VM_SETTLE_MS, everyMs: POLL_MS },
    );
    if (vm.state !== 'ready') throw new Error(`${id} is ${vm.state}: ${vm.failure?.detail ?? ''}`);
    await api.exec(id, 'true');
    return vm;
  };
  return [
    {
      name: 'create',
      phases: ['admitted', 'tap', 'vmm', 'resume', 'identity', 'network'],
      vmmPhases: ['vmm', 'load', 'resume', 'identity', 'network', 'ready'],
      prepare: async () => undefined,
      perform: async () => {
        await createReady();
      },
    },
    {
      name: 'sign-in',
      phases: ['starting', 'awaiting_user', 'verifying'],
      vmmPhases: ['awaiting_user', 'verifying'],
      prepare: async () => undefined,
      perform: async (onPhase) => {
        const signin = await api.startSignin({ provider: 'codex', method: 'device_code' });
        const { state, failure } = await pursue(api, person, signin, onPhase);
        if (state !== 'completed') throw new Error(`the sign-in is ${state}: ${failure?.detail ?? ''}`);
      },
    },
    {
      name: 'run',
      phases: ['starting', 'running'],
      vmmPhases: ['running'],
      prepare: async () => undefined,
      perform: async (onPhase) => {
        const { id } = await api.startRun({ provider: 'codex', prompt: 'run: echo proven > proven.txt' });
        const run = await until(
          `the end of ${id}`,
          async () => {
            const now = await api.run(id);
            onPhase(now.state);
            return now;
          },
          ({ state }) => terminalRunStates.includes(state),
          { timeoutMs: SLOW_MS, everyMs: POLL_MS },
        );
        if (run.state !== 'succeeded')
          throw new Error(`${id} is ${run.state}: ${run.failure?.detail ?? ''} (${run.waitingFor ?? ''})`);
      },
    },
    {
      name: 'delete',
      phases: ['deleting'],
      vmmPhases: ['deleting'],
      prepare: async () => {
        doomed = (await createReady()).id;
      },
      perform: async () => {
        const id = doomed;
        if (id === null) throw new Error('nothing was prepared');
        await api.deleteVm(id);
        await until(
          `the end of ${id}`,
          () => api.vm(id),
          ({ state }) => state === 'deleted',
          { timeoutMs: VM_SETTLE_MS, everyMs: POLL_MS },
        );
      },
    },
  ];
}

/** Follows a sign-in to its end; does what its person has to do on the way. */
export async function pursue(
  api: HearthApi,
  person: Person,
  { sessionId }: Pick<Signin, 'sessionId'>,
  onPhase: (phase: string) => void = () => undefined,
): Promise<Signin> {
  let entered: string | null = null;
  return until(
    `the end of ${sessionId}`,
    async () => {
      const signin = await api.signin(sessionId);
      onPhase(signin.state);
      const { state, oauthUrl, userCode } = signin;
      if (state === 'awaiting_user' && oauthUrl !== null && userCode !== null && userCode !== entered) {
        entered = userCode;
        await person.enterDeviceCode(oauthUrl, userCode);
      }
      return signin;
    },
    ({ state }) => terminalSigninStates.includes(state),
    { timeoutMs: SLOW_MS, everyMs: 2 * POLL_MS },
  );
}
