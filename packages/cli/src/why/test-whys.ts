import {
  layerOfCheck,
  makeFinding,
  whyChecks,
  whySchema,
  type Why,
  type WhyCause,
  type WhyCheckName,
} from '@hearth/contract';
import { VM_ID } from '../test-answers.ts';

const AT = '2026-11-24T10:00:00.000Z';

type Told = readonly [status: Why['checks'][number]['status'], says: string, evidence?: readonly string[]];

/** A diagnosis with all checks right but the ones told. */
export function testWhy(
  told: Partial<Record<WhyCheckName, Told>>,
  cause: { name: WhyCause; detail: string } | null,
  changes: Partial<Record<keyof Why, unknown>> = {},
): Why {
  const finding = cause === null ? null : makeFinding(cause.name, 'network', cause.detail, new Date(AT));
  const checks = whyChecks.map((name) => {
    const [status, says, evidence = []] = told[name] ?? (['ok', `${name} is right`] as const);
    const named = status === 'broken' ? (finding?.cause ?? null) : null;
    return { name, layer: layerOfCheck[name], status, says, evidence, cause: named };
  });
  return whySchema.parse({
    ...{ vmId: VM_ID, at: AT, trigger: 'asked', verdict: finding === null ? 'healthy' : 'broken' },
    ...{ summary: finding === null ? 'Every layer answers' : finding.title, finding, checks, tookMs: 412 },
    ...changes,
  });
}

const unknown = (names: readonly WhyCheckName[], says: string): Partial<Record<WhyCheckName, Told>> =>
  Object.fromEntries(names.map((name) => [name, ['unknown', says] as const]));
const skipped = (names: readonly WhyCheckName[], says: string): Partial<Record<WhyCheckName, Told>> =>
  Object.fromEntries(names.map((name) => [name, ['skipped', says] as const]));

export const healthyWhy = testWhy(skipped(['display', 'browser'], 'a CLI VM has none'), null);

export const tapDownWhy = testWhy(
  {
    tap: [
      'broken',
      'hth-04 is down',
      ['hth-04: flags BROADCAST,MULTICAST, operstate DOWN', 'master hearth0'],
    ],
    reachability: ['broken', 'no answer from 10.77.0.9 within 2 s', ['EHOSTUNREACH']],
    ...unknown(['agent', 'token'], 'it can’t be reached'),
    ...skipped(['display', 'browser'], 'a CLI VM has none'),
  },
  { name: 'tap_down', detail: 'hth-04 is down' },
);

/** The guest’s own words hold what could steer a terminal. */
export const kernelPanicWhy = testWhy(
  {
    console: [
      'broken',
      'the kernel panicked 3.1 s after it began',
      ['\u001b[31mKernel panic - not syncing: Out of memory\u001b[0m\r', '\u001b]0;owned\u0007CPU: 0 PID: 1'],
    ],
    ...unknown(whyChecks.slice(whyChecks.indexOf('control_channel')), 'its virtual machine ended'),
  },
  { name: 'kernel_panic', detail: 'Kernel panic - not syncing: Out of memory' },
  { trigger: 'failed', summary: 'Its kernel panicked: it has too little memory' },
);

export const hostDownWhy = testWhy(
  {
    record: [
      'broken',
      'the controller has it as ready; the host daemon gives no answer',
      ['connect ENOENT host.sock'],
    ],
    ...unknown(whyChecks.slice(1), 'only the host daemon can look'),
  },
  { name: 'host_daemon_down', detail: 'connect ENOENT host.sock' },
);
