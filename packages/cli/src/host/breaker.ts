import { breakerSchema, hintFor, hostStateSchema, type Breaker } from '@hearth/contract';
import { withApi, type CommonOptions } from '../context.ts';
import type { Paint } from '../terminal/output.ts';
import { plainLine } from '../terminal/plain-text.ts';

export async function showBreaker(options: CommonOptions & { close?: boolean }): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const breaker =
      options.close === true
        ? await api.call('DELETE', breakerSchema, '/api/host/breaker', { signal })
        : (await api.get(hostStateSchema, '/api/host', { signal })).breaker;
    if (out.json) out.value(breaker);
    else out.line(renderBreaker(breaker, out.paint).join('\n'));
  });
}

/** Whether VMs are created; while not, why not and how it goes on. */
export function renderBreaker(breaker: Breaker, paint: Paint): string[] {
  const { state, failures, successes, openedAt, probeAt, probeVmId, reason } = breaker;
  const counts = `${failures} of the last ${failures + successes} starts failed`;
  if (state === 'closed') return [`${paint.good('VMs are created')} · ${counts}`];
  const next =
    state === 'open'
      ? `one VM is tried ${probeAt === null ? 'soon' : `from ${probeAt} on`}`
      : `${probeVmId ?? 'a VM'} is tried now: if it comes up, creation goes on`;
  return [
    `${paint.bad('no VMs are created')} since ${openedAt ?? 'now'} · ${counts}`,
    ...(reason === null ? [] : renderReason(reason, paint)),
    `  ${paint.dim('next:')} ${next}; at once with: hearth host breaker --close`,
  ];
}

function renderReason({ vmId, failure, finding }: NonNullable<Breaker['reason']>, paint: Paint): string[] {
  const { title, detail, hint } = finding ?? failure;
  return [
    `  ${paint.dim('because of')} ${vmId}: ${title}: ${plainLine(detail)}`,
    `  ${paint.dim('what to do:')} ${hintFor(hint, vmId)}`,
    `  ${paint.dim('all layers:')} hearth why ${vmId}`,
  ];
}
