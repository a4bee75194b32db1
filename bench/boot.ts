import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageEventSchema, imageManifestSchema } from '@hearth/contract';
import { makeLab, repository, type HearthLab } from '@hearth/testing';
import { createVm } from './lib/create-vm.ts';
import { context, figure, median, report, say, type Figure } from './lib/report.ts';

/**
 * `hearth bench boot [--json] [--check]` (by hand also --rounds N and --no-build, for a quick look): what creating a VM costs beside the bare VMM, what a
 * VM takes of the disk, what `up` costs on a machine that is set up, and what a change of the agent costs.
 * All figures are ratios within this run, bytes, or CPU seconds.
 */
const option = (name: string): string | undefined => {
  const index = process.argv.indexOf(name);
  return index === -1 ? undefined : process.argv[index + 1];
};
const rounds = Number(option('--rounds') ?? 5);

function bareMs(manifest: string, template: string, accelerator: string): number {
  const name = `bare${process.pid}`;
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(repository, 'bench/lib/bare-boot.ts'),
  ];
  spawnSync('ip', ['netns', 'add', name]);
  try {
    const result = spawnSync(
      'nsenter',
      [`--net=/run/netns/${name}`, ...node, manifest, template, accelerator, '2048', '2'],
      { encoding: 'utf8' },
    );
    if (result.status !== 0) throw new Error(`bare boot: ${result.stderr}`);
    return Number(result.stdout);
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
}

/** CPU seconds that a process and those it waited for have used. */
async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0);
  return ticks / 100;
}

/** CPU of `up` (with all that it started and waited for) and of the daemons that it left, until the API is healthy. */
async function upCpuSeconds(lab: HearthLab): Promise<number> {
  await lab.cli(['down', '--keep-vms']);
  const script = `'${join(repository, 'hearth')}' up --yes --detach >/dev/null || exit 1; times`;
  const env = { ...(process.env as Record<string, string>), HEARTH_CONFIG: lab.configPath };
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`up: ${stderr}`);
  const children = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const own = children.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
  return own + (await cpuSeconds(await lab.pid('host'))) + (await cpuSeconds(await lab.pid('controller')));
}

/** Seconds of a full build and of one after a change of the agent alone, in a store of its own. */
async function buildSeconds(): Promise<{ full: number; rebuild: number }> {
  const store = await mkdtemp('/var/cache/hearth-bench-');
  const main = join(repository, 'packages/host/src/image-main.ts');
  const build = (agent: string): number => {
    const startedMs = performance.now();
    const args = ['--disable-warning=ExperimentalWarning', main, 'build', '--store', store, '--agent', agent];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: repository });
    const last = imageEventSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}'));
    if (status !== 0 || last.type !== 'done' || last.reused)
      throw new Error(`image build: ${JSON.stringify(last)}`);
    return (performance.now() - startedMs) / 1000;
  };
  try {
    const bundle = join(repository, 'packages/guest-agent/dist/agent.mjs');
    const full = build(bundle);
    const changed = join(store, 'agent.mjs');
    await cp(bundle, changed);
    await writeFile(changed, `${await readFile(bundle, 'utf8')}\n// changed\n`);
    return { full, rebuild: build(changed) };
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

const lab = await makeLab();
const figures: Figure[] = [];
let accelerator = 'tcg';
try {
  say('bringing up a Hearth of its own …');
  await lab.up();
  const warm = await createVm(lab, { kind: 'cli' });
  const manifestPath = join(lab.config.imageStore, 'images', warm.vm.imageId ?? '', 'manifest.json');
  const manifest = JSON.stringify(
    imageManifestSchema.parse(JSON.parse(await readFile(manifestPath, 'utf8'))),
  );
  const templates = join(lab.config.imageStore, 'templates');
  const template = join(
    templates,
    (await readdir(templates)).find((name) => name.startsWith('upper-16384-')) ?? '',
  );
  const health = (await (await lab.fetch('/health')).json()) as {
    checks: { name: string; detail: string }[];
  };
  if (health.checks.some(({ detail }) => detail.includes('QEMU with kvm'))) accelerator = 'kvm';
  const disk = await stat(join(lab.config.stateDir, 'vms', warm.vm.id, 'upper.ext4'));
  await lab.cli(['vm', 'rm', warm.vm.id]);

  const hearthMs: number[] = [];
  const bareBootMs: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    bareBootMs.push(bareMs(manifest, template, accelerator));
    const { ms, vm } = await createVm(lab, { kind: 'cli' });
    hearthMs.push(ms);
    await lab.cli(['vm', 'rm', vm.id]);
    say(`round ${round}: bare ${bareBootMs.at(-1) ?? 0} ms, through the API ${ms.toFixed(0)} ms`);
  }
  figures.push(
    figure(
      'creation through the API to ready / bare QEMU to the agent',
      median(hearthMs) / median(bareBootMs),
      'ratio',
      { most: 1.1 },
    ),
    context('  bare QEMU line to the agent (median)', median(bareBootMs) / 1000, 's'),
    context('  creation through the API to ready (median)', median(hearthMs) / 1000, 's'),
    figure("a ready VM's own disk", (disk.blocks * 512) / 1e6, 'MB', { most: 5 }),
  );
  figures.push(
    figure('`up` on a machine set up, to a healthy API: CPU', await upCpuSeconds(lab), 's', { most: 5 }),
  );
} finally {
  await lab.dispose();
}
if (!process.argv.includes('--no-build')) {
  say('building an image from nothing, then after a change of the agent …');
  const { full, rebuild } = await buildSeconds();
  figures.push(
    figure('image rebuild after an agent change / full build', rebuild / full, 'ratio', { most: 0.15 }),
    context('  full build', full, 's'),
    context('  rebuild', rebuild, 's'),
  );
}
report(figures, accelerator);
