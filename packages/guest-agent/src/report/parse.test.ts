import { guestReportSchema } from '@hearth/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseRoutes, routeText } from '../network/routes.ts';
import { MAX_ENTRIES, parseFailedUnits, parseMemory, parseOomKills, parseUnits } from './parse.ts';

const SHOWN = `Id=hearth-agent.service
LoadState=loaded
ActiveState=active
SubState=running
NRestarts=2

NRestarts=0
Id=hearth-browser.service
LoadState=masked
ActiveState=inactive
SubState=dead
`;

it('reads the units that were asked for, in their order', () => {
  expect(parseUnits(SHOWN, ['hearth-browser.service', 'absent.service', 'hearth-agent.service'])).toEqual([
    { name: 'hearth-browser.service', load: 'masked', state: 'inactive/dead', restarts: 0 },
    { name: 'hearth-agent.service', load: 'loaded', state: 'active/running', restarts: 2 },
  ]);
});

it('reads failed units, memory and the kernel’s OOM kills', () => {
  expect(parseFailedUnits('[{"unit":"a.service","load":"loaded"},{"unit":1},null]')).toEqual(['a.service']);
  expect(() => parseFailedUnits('{}')).toThrow('no list');
  const many = JSON.stringify(Array.from({ length: 1000 }, () => ({ unit: 'x'.repeat(100_000) })));
  const cut = parseFailedUnits(many);
  expect([cut.length, cut[0]?.length]).toEqual([MAX_ENTRIES, 4096]);
  expect(parseMemory('MemTotal:        2048000 kB\nMemFree: 1 kB\nMemAvailable:    1024000 kB\n')).toEqual({
    totalMiB: 2000,
    availableMiB: 1000,
  });
  expect(() => parseMemory('MemTotal: 1 kB\n')).toThrow('MemAvailable');
  expect(parseOomKills('pgfault 3\noom_kill 4\nnuma_hit 1\n')).toBe(4);
  expect(() => parseOomKills('xoom_kill 4\n')).toThrow('oom_kill');
});

const { units, routes, failedUnits } = guestReportSchema.shape;
const words = fc.constantFrom(
  'Id=',
  'a.service',
  '\n',
  '\n\n',
  'NRestarts=',
  '-1',
  '9'.repeat(30),
  '\0',
  '=',
  '\t',
);
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(words).map((parts) => parts.join('')),
);

it('hostile text breaks nothing: what comes out is of the contract, or a refusal of that part', () => {
  const orRefused = (read: () => unknown, accepts: (value: unknown) => void): void => {
    let value: unknown;
    try {
      value = read();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      return;
    }
    accepts(value);
  };
  fc.assert(
    fc.property(hostile, fc.json(), (text, json) => {
      units.parse(parseUnits(text, ['a.service']));
      routes.parse(parseRoutes(`header\n${text}`).map(routeText));
      for (const one of [text, json])
        orRefused(
          () => parseFailedUnits(one),
          (value) => failedUnits.parse(value),
        );
      orRefused(
        () => {
          const { availableMiB, totalMiB } = parseMemory(text);
          return [availableMiB, totalMiB, parseOomKills(text)].every(Number.isSafeInteger);
        },
        (value) => expect(value).toBe(true),
      );
    }),
  );
});
