import {
  HearthError,
  isUp,
  pause,
  servicesOfKind,
  type AgentHealth,
  type GuestMessage,
  type HostVm,
  type ImageManifest,
  type Progress,
  type ServiceState,
} from '@hearth/contract';

/** What the guest said so far, over the control channel. */
export interface GuestWords {
  helloVersion: string | null;
  configured: boolean;
  ip: string | null;
  services: ServiceState[];
}

export const noWords = (): GuestWords => ({ helloVersion: null, configured: false, ip: null, services: [] });

/** Takes in a message; pure. */
export function listen(words: GuestWords, message: GuestMessage): GuestWords {
  switch (message.type) {
    case 'hello':
      return { ...words, helloVersion: message.agentVersion };
    case 'address':
      return { ...words, ip: message.address.ip };
    case 'services':
      return { ...words, services: message.services };
    case 'credentials':
    case 'reply':
      return words;
  }
}

/**
 * Is the guest's word enough to go and verify it: has it an address, and does all of its kind run? Until then it isn't
 * asked over the network, which would cost it the processor that its boot needs. Throws where it says what must not be:
 * agent_version_mismatch (F9), address_mismatch (F1).
 */
export function judgeWords(
  words: GuestWords,
  vm: Pick<HostVm, 'id' | 'kind' | 'address'>,
  manifest: Pick<ImageManifest, 'agent'>,
): boolean {
  if (words.helloVersion !== null && words.helloVersion !== manifest.agent.version) {
    throw new HearthError(
      'agent_version_mismatch',
      `the guest runs agent ${words.helloVersion}, the image's manifest names ${manifest.agent.version}`,
      { vmId: vm.id },
    );
  }
  if (words.ip !== null && vm.address !== null && words.ip !== vm.address.ip) {
    throw new HearthError(
      'address_mismatch',
      `the guest took ${words.ip}, the address book has ${vm.address.ip} for it`,
      { vmId: vm.id },
    );
  }
  const runs = (name: ServiceState['name']): boolean =>
    words.services.some((service) => service.name === name && isUp(service));
  return words.configured && words.ip !== null && servicesOfKind[vm.kind].every(runs);
}

/** Which services are not running yet, with what their probes saw. */
export function missingServices(services: readonly ServiceState[]): string {
  return services
    .filter((service) => !isUp(service))
    .map(({ name, state, detail }) => `${name} is ${state} (${detail})`)
    .join('; ');
}

const RETRY_MS = 50;

/**
 * Ready means proven: asks the agent over the network, at the booked address, until everything runs.
 * Throws the last finding when the deadline comes, in words.
 */
export async function verifyOverNetwork(
  probe: () => Promise<AgentHealth>,
  vm: Pick<HostVm, 'id'>,
  progress: Progress,
): Promise<void> {
  let finding = new HearthError('guest_not_ready', 'the agent was never asked', { vmId: vm.id });
  const isOver = (): boolean => progress.signal.aborted;
  while (!isOver()) {
    try {
      const health = await probe();
      if (health.vmId !== vm.id)
        throw new HearthError(
          'address_mismatch',
          `the agent at the booked address says it is ${health.vmId}`,
          { vmId: vm.id },
        );
      if (health.status === 'ok') return;
      finding = new HearthError('guest_not_ready', missingServices(health.services), { vmId: vm.id });
    } catch (error) {
      if (!(error instanceof HearthError) || error.code === 'address_mismatch') throw error;
      if (!isOver()) finding = error;
    }
    await pause(RETRY_MS, progress.signal).catch(() => undefined);
  }
  if (isDeadline(progress.signal)) {
    throw new HearthError(finding.code, `${finding.detail}; the deadline for becoming ready has passed`, {
      vmId: vm.id,
      cause: finding,
    });
  }
  progress.throwIfAborted();
}

const isDeadline = (signal: AbortSignal): boolean =>
  signal.reason instanceof HearthError && signal.reason.code === 'deadline_exceeded';
