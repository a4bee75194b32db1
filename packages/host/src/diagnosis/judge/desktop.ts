import { isUp, type ServiceState } from '@hearth/contract';
import { errorOf, valueOf, type Evidence } from '../evidence.ts';
import { broken, notHad, ok, skipped, unknown, type Judge } from './judgement.ts';

/** What its agent's own probes last saw, from whoever told it last. */
const serviceOf = (
  { health, report, words }: Evidence,
  name: ServiceState['name'],
): ServiceState | undefined =>
  (valueOf(health)?.services ?? valueOf(report)?.report.services ?? words?.services ?? []).find(
    (service) => service.name === name,
  );
const textOf = ({ name, state, detail }: ServiceState): string => `${name} is ${state} (${detail})`;

/** The agent probes now and then; what systemd has of the unit is of this moment. undefined: it runs, or is not known. */
function downUnit({ report }: Evidence, name: 'display' | 'browser'): string | undefined {
  const unit = valueOf(report)?.report.units.find((one) => one.name === `hearth-${name}.service`);
  return unit === undefined || unit.state.startsWith('active/')
    ? undefined
    : `${unit.name} is ${unit.state} (${unit.load})`;
}

export const judgeDisplay: Judge<'display'> = (evidence) => {
  const { record, display, reach } = evidence;
  if (record.kind !== 'browser') return skipped('It has no desktop');
  const service = serviceOf(evidence, 'display');
  const seen = service === undefined ? [] : [textOf(service)];
  const screen = valueOf(display);
  const error = errorOf(display);
  const outcome = valueOf(reach)?.outcome;
  if (screen !== undefined) seen.push(screen);
  if (error !== undefined) seen.push(error.detail);
  if (error !== undefined && (outcome === 'accepted' || outcome === 'refused'))
    return broken('display_dead', error.detail, seen);
  if (service !== undefined && !isUp(service)) return broken('display_dead', textOf(service), seen);
  const down = downUnit(evidence, 'display');
  if (down !== undefined) return broken('display_dead', down, [...seen, down]);
  if (screen !== undefined) return ok('It speaks RFB', seen);
  return notHad(error, 'There is nobody to ask');
};

export const judgeBrowser: Judge<'browser'> = (evidence) => {
  const { record, trigger } = evidence;
  if (record.kind !== 'browser') return skipped('It has no desktop');
  const service = serviceOf(evidence, 'browser');
  if (service === undefined) return unknown('The guest did not tell');
  const desktop = serviceOf(evidence, 'desktop');
  const seen = [service, ...(desktop === undefined ? [] : [desktop])].map(textOf);
  if (!isUp(service)) return broken('browser_dead', textOf(service), seen);
  const down = downUnit(evidence, 'browser');
  if (down !== undefined) return broken('browser_dead', down, [...seen, down]);
  // A page may well fill the screen with one colour; a VM that never became ready has painted nothing.
  if (trigger === 'failed' && desktop !== undefined && !isUp(desktop))
    return broken('browser_dead', textOf(desktop), seen);
  return ok('It runs', seen);
};
