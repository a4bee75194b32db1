import {
  HearthError,
  layerOfCheck,
  whyChecks,
  type HostVm,
  type VmId,
  type Why,
  type WhyCheck,
} from '@hearth/contract';
import type { Machines } from './machines.ts';

/** What the fake finds of its VMs: that all is well, unless a finding was set. */
export interface FakeWhys {
  /** Throws not_found where there is no such VM, or nothing was kept of it. */
  answer(id: VmId, stored: boolean): Why;
}

export function createWhys(machines: Machines): FakeWhys {
  const kept = new Map<VmId, Why>();
  machines.subscribe((event) => {
    if (event.type !== 'vm') return;
    const { id, state, finding } = event.vm;
    if (finding !== null && kept.get(id)?.finding?.at !== finding.at)
      kept.set(id, look(event.vm, state === 'failed' ? 'failed' : 'unhealthy'));
  });
  return {
    answer: (id, stored) => {
      const vm = machines.get(id);
      const old = kept.get(id);
      if (stored || vm === undefined || vm.state === 'failed') {
        if (old !== undefined) return old;
        if (stored || vm === undefined)
          throw new HearthError('not_found', `nothing was kept of ${id}`, { vmId: id });
      }
      return look(vm, 'asked');
    },
  };
}

function look({ id, state, finding }: HostVm, trigger: Why['trigger']): Why {
  const verdict = finding !== null ? 'broken' : state === 'hibernated' ? 'not_running' : 'healthy';
  const brokenAt = finding === null ? whyChecks.length : whyChecks.indexOf(finding.check);
  const checks = whyChecks.map((name, index): WhyCheck => {
    const wrong = index === brokenAt ? finding : null;
    const skipped = index > brokenAt || (verdict === 'not_running' && name !== 'record');
    return {
      name,
      layer: layerOfCheck[name],
      status: wrong !== null ? 'broken' : skipped ? 'skipped' : 'ok',
      says: wrong?.title ?? (skipped ? 'not looked at' : 'as it should be'),
      evidence: wrong === null ? [] : [wrong.detail],
      cause: wrong?.cause ?? null,
    };
  });
  const summary = finding?.title ?? (verdict === 'healthy' ? 'It answers.' : `It is ${state}.`);
  return { vmId: id, at: new Date().toISOString(), trigger, verdict, summary, finding, checks, tookMs: 1 };
}
