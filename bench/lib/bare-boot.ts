import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageManifestSchema } from '@hearth/contract';
import { readTscKhz } from '../../packages/host/src/vmm/accelerator.ts';
import { qemuArguments } from '../../packages/host/src/vmm/qemu/command-line.ts';
import type { VmmSpec } from '../../packages/host/src/vmm/vmm.ts';

/**
 * One boot of an image by a bare QEMU line, with nothing of Hearth around it: prints the milliseconds from the copy of
 * the empty disk to the first answer of the agent on port 8080, whatever it answers. Runs in a namespace of its own,
 * which the caller made: bridge, TAP and dnsmasq are set up before the clock starts.
 *   node bare-boot.ts MANIFEST_JSON TEMPLATE ACCELERATOR MEM_MIB CPUS
 */
const [manifestJson = '', template = '', accelerator = 'tcg', memMiB = '2048', cpus = '2'] =
  process.argv.slice(2);
const manifest = imageManifestSchema.parse(JSON.parse(manifestJson));
const folder = mkdtempSync(join(tmpdir(), 'hearth-bare-'));
const mac = '02:48:0a:63:00:02';
const ip = '10.99.0.2';

function sh(command: string): void {
  const { status, stderr } = spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

sh(`ip link set lo up; ip link add br0 type bridge; ip addr add 10.99.0.1/24 dev br0; ip link set br0 up
    ip tuntap add dev tap0 mode tap; ip link set tap0 master br0 up`);
writeFileSync(join(folder, 'hosts'), `${mac},${ip}\n`);
const dnsmasq = spawn('dnsmasq', [
  ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--interface=br0', '--bind-interfaces'],
  ...[
    '--dhcp-range=10.99.0.0,static',
    `--dhcp-hostsfile=${join(folder, 'hosts')}`,
    `--dhcp-leasefile=${join(folder, 'leases')}`,
    '--user=root',
  ],
]);
await new Promise((resolve) => setTimeout(resolve, 500));

const layer = (role: 'base' | 'agent'): string =>
  manifest.layers.find((candidate) => candidate.role === role)?.path ?? '';
const spec: VmmSpec = {
  vmId: 'vm-000000000000' as VmmSpec['vmId'],
  ...{
    cpus: Number(cpus),
    memMiB: Number(memMiB),
    memory: null,
    kernelPath: manifest.kernel.path,
    initrdPath: manifest.initrd.path,
  },
  kernelArguments: [
    'quiet',
    'net.ifnames=0',
    `systemd.machine_id=${'1'.repeat(32)}`,
    'systemd.hostname=bare',
    'hearth.kind=cli',
  ],
  drives: [
    { id: 'base', path: layer('base'), readOnly: true },
    { id: 'agent', path: layer('agent'), readOnly: true },
    { id: 'upper', path: join(folder, 'upper'), readOnly: false },
  ],
  ...{ tap: 'tap0', mac, consolePath: join(folder, 'console'), controlSocketPath: join(folder, 'control') },
  ...{
    monitorSocketPath: join(folder, 'monitor'),
    logPath: join(folder, 'log'),
    pidPath: join(folder, 'pid'),
    saveSocketPath: join(folder, 'save'),
  },
};
const tscKhz = await readTscKhz();
const startedMs = performance.now();
if (spawnSync('cp', ['--sparse=always', template, spec.drives[2]?.path ?? '']).status !== 0)
  copyFileSync(template, join(folder, 'upper'));
const qemu = spawn(
  'qemu-system-x86_64',
  qemuArguments(spec, { accelerator: accelerator === 'kvm' ? 'kvm' : 'tcg', tscKhz, vmmUser: null }),
  { stdio: 'ignore' },
);
try {
  for (;;) {
    if (performance.now() - startedMs > 180_000) throw new Error('no answer within 180 s');
    if (qemu.exitCode !== null) throw new Error('QEMU ended');
    const answered = await fetch(`http://${ip}:8080/health`, { signal: AbortSignal.timeout(1000) }).then(
      () => true,
      () => false,
    );
    if (answered) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.stdout.write(`${(performance.now() - startedMs).toFixed(0)}\n`);
} finally {
  qemu.kill('SIGKILL');
  dnsmasq.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
