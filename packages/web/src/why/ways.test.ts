import { layerOfCheck, makeFinding, whyChecks, type WhyCheck } from '@hearth/contract';
import { expect, it } from 'vitest';
import { checkTitle, drawnChecks, ways } from './ways.ts';

const checks: WhyCheck[] = whyChecks.map((name) => ({
  ...{ name, layer: layerOfCheck[name], says: name, evidence: [], cause: null },
  status: name === 'tap' || name === 'agent' ? 'broken' : 'ok',
}));
const finding = makeFinding('tap_down', 'network', '', new Date(0));

it('draws every check once, in the order of the walk', () => {
  expect(ways.flatMap((way) => way.checks)).toEqual(whyChecks);
});

it('opens the first broken layer alone; what lies behind it is beyond', () => {
  const places = drawnChecks({ checks, finding }).map(({ name, place }) => [name, place]);
  expect(places.slice(5, 10)).toEqual([
    ['control_channel', 'before'],
    ['guest', 'before'],
    ['tap', 'first'],
    ['bridge', 'beyond'],
    ['mac', 'beyond'],
  ]);
  expect(drawnChecks({ checks, finding: null }).every(({ place }) => place === 'before')).toBe(true);
});

it('begins headings with a capital, but for the name of a program', () => {
  expect([checkTitle('tap'), checkTitle('dnsmasq'), checkTitle('control_channel')]).toEqual([
    'TAP',
    'dnsmasq',
    'Control channel',
  ]);
});
