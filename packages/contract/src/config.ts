import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { HearthError, parseWith } from './errors.ts';

const cidrSchema = z
  .string()
  .refine(
    (text) => ipaddr.IPv4.isValidCIDRFourPartDecimal(text),
    'expected an IPv4 network such as 192.168.100.0/24',
  );
const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,10}$/, 'expected 1 to 11 of a-z, 0-9 and -, a letter first');
const kindSchema = <const Acts extends readonly string[]>(
  cpus: number,
  memMiB: number,
  minMemMiB: number,
  diskMiB: number,
  acts: Acts,
) =>
  z
    .strictObject({
      cpus: z.int().min(1).max(64).default(cpus),
      memMiB: z.int().default(memMiB),
      minMemMiB: z.int().min(256).default(minMemMiB),
      diskMiB: z.int().min(512).default(diskMiB),
      /**
       * What becomes of one whose guest stopped answering for `vms.watchdog.graceSeconds`. tell: it is shown as unhealthy, with its
       * `why`; restart: it is that, and its disk boots anew; fail: it is given up.
       */
      onUnresponsive: z.enum(acts).default(acts[0] as Acts[number]),
    })
    .prefault({});

/** The whole configuration; unknown keys stop the start, with their name. */
export const configSchema = z.strictObject({
  /** Names the network namespace, the state folder and all that is made; two Hearths differ in it. */
  name: nameSchema.default('hearth'),
  /** Database, journal, disks, consoles. Default: /var/lib/hearth/<name>. */
  stateDir: z.string().startsWith('/').optional(),
  /** Sockets and pid files. Default: /run/hearth/<name>. */
  runDir: z.string().startsWith('/').optional(),
  /** Images and layers, shared by all Hearths of the machine. */
  imageStore: z.string().startsWith('/').default('/var/cache/hearth'),
  controller: z
    .strictObject({
      /** Loopback unless told otherwise. */
      address: z.ipv4().default('127.0.0.1'),
      port: z.int().min(1).max(65535).default(4000),
      /** How the outside reaches the controller, for links; default http://<address>:<port>. */
      publicUrl: z.url().optional(),
      /** The ordinary user that the controller becomes. */
      user: z.string().default('hearth'),
      maxVmsPerUser: z.int().min(1).default(10),
      /** Memory and CPUs of one person's VMs that are not hibernated, together; 0: no limit but the host's. */
      maxMemMiBPerUser: z.int().min(0).default(0),
      maxCpusPerUser: z.int().min(0).default(0),
      /** Days for which a deleted VM stays readable, its console with it. */
      retentionDays: z.int().min(1).default(14),
      rateLimit: z
        .strictObject({ max: z.int().min(1).default(1000), windowMinutes: z.int().min(1).default(15) })
        .prefault({}),
    })
    .prefault({}),
  network: z
    .strictObject({
      /** The VMs' network: first address the bridge, the rest for VMs. */
      subnet: cidrSchema.default('192.168.100.0/24'),
      /** Two addresses between host and namespace: host first. */
      transitSubnet: cidrSchema.default('192.168.99.0/30'),
      /** nat: VMs reach the internet; host: only the host reaches the VMs; none: nothing joins namespace and host. */
      uplink: z.enum(['nat', 'host', 'none']).default('nat'),
      /** Private addresses that VMs may reach all the same, such as a model gateway in your own network: `10.0.0.5:8080`. */
      allow: z
        .array(z.string().regex(/^(\d{1,3}\.){3}\d{1,3}:\d{1,5}$/, 'expected ADDRESS:PORT'))
        .default([]),
      /** DNS servers for the VMs; the host's own where empty. */
      dnsServers: z.array(z.ipv4()).default([]),
      /** Names that VMs resolve to these addresses, before any DNS server is asked: `{"gateway.example": "10.0.0.5"}`. */
      hosts: z
        .record(z.string().regex(/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'expected a host name'), z.ipv4())
        .default({}),
      /** PEM files of further certificate authorities that everything in a VM trusts, such as that of your own gateway. */
      caCertificates: z.array(z.string().startsWith('/')).max(32).default([]),
    })
    .prefault({}),
  desktop: z
    .strictObject({
      /** Size of a new desktop's screen where its creator names none. */
      width: z.int().min(320).max(4096).default(1280),
      height: z.int().min(240).max(4096).default(720),
      /** Viewers of one desktop at once. */
      maxViewers: z.int().min(1).max(1000).default(64),
      /**
       * What the VNC server is asked to send. tight: little bandwidth, much CPU in the guest; raw: the reverse.
       * auto: raw to viewers on this machine or in its private network where VMs are emulated, else tight.
       */
      encoding: z.enum(['auto', 'raw', 'tight']).default('auto'),
    })
    .prefault({}),
  vms: z
    .strictObject({
      cli: kindSchema(2, 2048, 2048, 16_384, ['restart', 'tell', 'fail']),
      browser: kindSchema(2, 4096, 4096, 16_384, ['tell', 'fail']),
      /** Memory that stays with the host. */
      reserveMemMiB: z.int().min(0).default(1024),
      /** Free disk below the state folder that stays with the host: no VM is made that would start with less. */
      reserveDiskMiB: z.int().min(0).default(1024),
      /** CPUs that all VMs together may be promised, as a multiple of the machine's. */
      cpuOvercommit: z.number().min(1).max(1000).default(16),
      /** Further arguments of every guest's kernel, from its next boot on. */
      kernelArguments: z
        .array(z.string().regex(/^[\x21-\x7e]{1,200}$/, 'expected one word'))
        .max(32)
        .default([]),
      watchdog: z
        .strictObject({
          /** How often a ready VM is asked whether it is awake; 0: never. */
          periodSeconds: z.int().min(0).max(3600).default(15),
          /** For how long it may give no answer, on hardware; longer under emulation. */
          graceSeconds: z.int().min(1).max(3600).default(30),
          /** Restarts of one VM within an hour; then it is only told. */
          maxRestarts: z.int().min(1).max(100).default(3),
        })
        .prefault({}),
      snapshots: z
        .strictObject({
          /** Make a golden snapshot of each kind in its default size, and start new VMs from it. Not together with `vms.kernelArguments`. */
          golden: z.boolean().default(true),
        })
        .prefault({}),
      /** VMs that are started before anybody asks for them, and wait. */
      warm: z
        .strictObject({
          /** The most of a kind; how many really wait goes by demand. */
          cli: z.int().min(0).max(64).default(2),
          browser: z.int().min(0).max(64).default(2),
          /** Memory that all of them together may be promised. */
          memMiB: z.int().min(0).default(8192),
        })
        .prefault({}),
      hibernate: z
        .strictObject({
          /** Minutes without use, parts of one too, after which a CLI VM is hibernated; 0: never. */
          afterIdleMinutes: z.number().min(0).default(30),
          /** Days after which a hibernated VM is deleted; 0: never. */
          deleteAfterDays: z.int().min(0).default(14),
        })
        .prefault({}),
      /** Boots under way at once; further ones queue. */
      maxConcurrentBoots: z.int().min(1).default(3),
      /** Time from admission to ready on a machine with KVM; multiplied under emulation. */
      readyTimeoutMs: z.int().min(1000).default(30_000),
      /** The user that VMMs run as. */
      vmmUser: z.string().default('hearth-vmm'),
      /** auto: KVM where a probe boot works, else emulation. */
      accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
    })
    .prefault({}),
  signins: z
    .strictObject({
      /** A person has this long to complete a sign-in. */
      timeoutMinutes: z.int().min(1).max(120).default(15),
      /** Days for which an ended sign-in stays readable. */
      retentionDays: z.int().min(1).default(14),
    })
    .prefault({}),
  vault: z
    .strictObject({
      /** File of the master key; made at the first start. Default: <stateDir>/controller/master.key. HEARTH_MASTER_KEY takes its place. */
      keyFile: z.string().startsWith('/').optional(),
    })
    .prefault({}),
  runs: z
    .strictObject({
      /** Runs of one person at once; further ones queue. */
      maxPerUser: z.int().min(1).max(64).default(4),
      /** Runs in one VM at once. */
      maxPerVm: z.int().min(1).max(64).default(2),
      /** Runs of one person that wait. */
      maxQueuedPerUser: z.int().min(1).max(10_000).default(100),
      /** Where the call names none. */
      timeoutMinutes: z.int().min(1).max(1440).default(30),
      /** Days for which an ended run and its events stay readable. */
      retentionDays: z.int().min(1).default(14),
      /** Refusals (401) in a row after which runs wait for a new sign-in. */
      pauseAfterRefusals: z.int().min(1).max(10).default(2),
    })
    .prefault({}),
  /** Stops the creation of VMs where too many fail. */
  breaker: z
    .strictObject({
      /** Failures within the window without which it stays closed. */
      minFailures: z.int().min(1).max(1000).default(5),
      /** Share of the starts within the window, above which it opens. */
      failureRate: z.number().min(0.01).max(1).default(0.5),
      windowMinutes: z.int().min(1).max(1440).default(10),
      /** After this long one VM is tried. */
      coolDownSeconds: z.int().min(1).max(86_400).default(60),
    })
    .prefault({}),
  host: z
    .strictObject({
      /** How often the host compares its book with the machine; 0: at its start and when asked. */
      reconcileSeconds: z.int().min(0).max(3600).default(30),
      /** What becomes of VMs when the host daemon is asked to end (SIGTERM): stay: they go on; hibernate: CLI VMs are saved, others deleted; delete. */
      onStop: z.enum(['stay', 'hibernate', 'delete']).default('stay'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      /** A daemon's log is cut when it grows beyond this; one earlier part is kept. */
      maxMiB: z.int().min(1).max(10_000).default(64),
    })
    .prefault({}),
});

type ParsedConfig = z.infer<typeof configSchema>;
/** The configuration with its paths filled in. */
export type Config = Omit<ParsedConfig, 'stateDir' | 'runDir'> & { stateDir: string; runDir: string };
export type ConfigInput = z.input<typeof configSchema>;

/** Environment variables that override a key; any other HEARTH_… name stops the start. */
export const configEnvironment: Readonly<Record<string, string>> = {
  HEARTH_NAME: 'name',
  HEARTH_STATE_DIR: 'stateDir',
  HEARTH_RUN_DIR: 'runDir',
  HEARTH_IMAGE_STORE: 'imageStore',
  HEARTH_ADDRESS: 'controller.address',
  HEARTH_PORT: 'controller.port',
  HEARTH_PUBLIC_URL: 'controller.publicUrl',
  HEARTH_SUBNET: 'network.subnet',
  HEARTH_TRANSIT_SUBNET: 'network.transitSubnet',
  HEARTH_UPLINK: 'network.uplink',
  HEARTH_LOG_LEVEL: 'log.level',
};
/** Read elsewhere, no keys of the configuration. */
const otherEnvironment = new Set([
  'HEARTH_CONFIG',
  'HEARTH_URL',
  'HEARTH_TOKEN',
  'HEARTH_TEST_IMAGE',
  'HEARTH_NODE',
  // Secrets: never laid into the configuration, which is printed.
  'HEARTH_MASTER_KEY',
  'HEARTH_MASTER_KEY_PREVIOUS',
]);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks a configuration: the file's content (or {}) with the environment laid over it.
 * Throws HearthError config_invalid or network_conflict naming each wrong key.
 */
export function parseConfig(
  file: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const merged = isObject(file) ? structuredClone(file) : file;
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('HEARTH_') || value === undefined || otherEnvironment.has(variable)) continue;
    const path = configEnvironment[variable];
    if (path === undefined) {
      throw new HearthError('config_invalid', `the environment variable ${variable} is not known`, {
        issues: [{ path: variable, message: 'is not known' }],
      });
    }
    if (isObject(merged)) setPath(merged, path.split('.'), /^\d+$/.test(value) ? Number(value) : value);
  }
  const parsed = parseWith(configSchema, merged, 'config_invalid', 'configuration');
  const config: Config = {
    ...parsed,
    stateDir: parsed.stateDir ?? `/var/lib/hearth/${parsed.name}`,
    runDir: parsed.runDir ?? `/run/hearth/${parsed.name}`,
  };
  checkConsistency(config);
  return config;
}

function setPath(target: Json, path: string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const next = target[key];
  const child: Json = isObject(next) ? next : {};
  target[key] = child;
  setPath(child, rest, value);
}

function checkConsistency({ network, vms }: Config): void {
  const fail = (path: string, message: string): never => {
    throw new HearthError('config_invalid', `${path}: ${message}`, { issues: [{ path, message }] });
  };
  const [address, bits] = ipaddr.IPv4.parseCIDR(network.subnet);
  const base = ipaddr.IPv4.networkAddressFromCIDR(network.subnet);
  if (address.toString() !== base.toString())
    fail(
      'network.subnet',
      `${network.subnet} is not a network address; did you mean ${base.toString()}/${bits}?`,
    );
  if (bits < 16 || bits > 29) fail('network.subnet', 'must be from /16 to /29');
  const [transit, transitBits] = ipaddr.IPv4.parseCIDR(network.transitSubnet);
  if (transitBits > 30) fail('network.transitSubnet', 'must be /30 or larger');
  if (
    transit.match(ipaddr.IPv4.parseCIDR(network.subnet)) ||
    address.match(ipaddr.IPv4.parseCIDR(network.transitSubnet))
  ) {
    fail('network.transitSubnet', 'overlaps network.subnet');
  }
  if (vms.kernelArguments.length > 0 && vms.snapshots.golden)
    fail(
      'vms.kernelArguments',
      'VMs that start from golden snapshots boot no kernel: set vms.snapshots.golden to false as well',
    );
  for (const kind of ['cli', 'browser'] as const) {
    if (vms[kind].memMiB < vms[kind].minMemMiB)
      fail(`vms.${kind}.memMiB`, `is below vms.${kind}.minMemMiB (${vms[kind].minMemMiB})`);
  }
}
