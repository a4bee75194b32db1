import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createHostMetrics } from '../../../host/src/metrics/host-metrics.ts';
import { createControllerMetrics } from './controller-metrics.ts';

const DASHBOARD = new URL('../../../../deploy/grafana/hearth.json', import.meta.url);
const dashboardSchema = z.object({
  panels: z.array(
    z.object({
      title: z.string(),
      gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
      targets: z.array(z.object({ expr: z.string() })).default([]),
    }),
  ),
  templating: z.object({ list: z.array(z.object({ name: z.string(), definition: z.string().default('') })) }),
});

/** The text of both daemons’ metrics, as GET /metrics gives it. */
async function bothTexts(): Promise<string> {
  const host = createHostMetrics({
    vms: { list: () => [], controlChannels: () => ({ open: 0, closed: 0 }) },
    restarts: () => 0,
    capacity: async () => ({
      ...{ cpus: 2, cpusFree: 2, memMiB: 4096, memFreeMiB: 1024, diskFreeMiB: 1024 },
      ...{ starts: { running: 0, waiting: 0 }, addressesFree: 9, accelerator: 'tcg' },
    }),
    drift: () => null,
    swept: () => new Map(),
  });
  const controller = createControllerMetrics({
    counts: { vms: async () => [], runs: async () => [], signins: async () => [] },
    host: { metrics: () => host.text() },
    breaker: () => 'closed',
    startedAtMs: 0,
    log: () => undefined,
  });
  return controller.text(new AbortController().signal);
}

/** Each metric with its labels, as the text has them. */
function parseText(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  // Of a metric without a value yet there is its help alone.
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm))
    for (const end of type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''])
      found.set(name + end, new Set());
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)\{([^}]*)\}/gm))
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) found.get(name)?.add(label);
  return found;
}

test('every metric and label value that the dashboard asks for is in the metrics of controller and host', async () => {
  const { panels, templating } = dashboardSchema.parse(JSON.parse(await readFile(DASHBOARD, 'utf8')));
  const text = await bothTexts();
  const known = parseText(text);
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ definition }) => definition),
  ];
  const asked = new Set(expressions.flatMap((expr) => expr.match(/\bhearth_\w+/g) ?? []));
  expect(asked.size).toBeGreaterThan(20);
  expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  // States and outcomes by their names: a misspelt one would show nothing for ever.
  for (const expr of expressions)
    for (const [, name = '', selector = ''] of expr.matchAll(/(hearth_\w+)\{([^}]*)\}/g))
      for (const [, label = '', values = ''] of selector.matchAll(/(\w+)=~?"([^"$]+)"/g))
        for (const value of label === 'phase' ? [] : values.split('|'))
          expect(text, `${name} in ${expr}`).toMatch(new RegExp(`^${name}\\{[^}]*${label}="${value}"`, 'm'));
  expect(templating.list.map(({ name }) => name)).toContain('datasource');
});

test('no panel of the dashboard lies on another', async () => {
  const { panels } = dashboardSchema.parse(JSON.parse(await readFile(DASHBOARD, 'utf8')));
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken.get(`${x} ${y}`), `${title} at ${x}, ${y}`).toBeUndefined();
        taken.set(`${x} ${y}`, title);
      }
  }
});

test('no metric of one daemon has the name of one of the other', async () => {
  const names = [...(await bothTexts()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  expect(names.length).toBe(new Set(names).size);
});
