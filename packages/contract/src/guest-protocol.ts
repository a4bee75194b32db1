import { z } from 'zod';
import { guestCredentialSchema, heldCredentialSchema } from './credential.ts';
import { vmIdSchema } from './ids.ts';
import { providerIdSchema } from './providers/provider-id.ts';
import { geometrySchema, vmKindSchema, type VmKind } from './vm.ts';

/**
 * The control channel: a byte stream between host and guest that needs no network (virtio-serial port under QEMU,
 * vsock under Firecracker). JSON lines both ways. The guest speaks first; after a reconnect either side may begin
 * with the rest of a broken line, which the other drops up to the next newline.
 */
export const CONTROL_PORT_NAME = 'hearth.control.0';
/** vsock port that carries the control channel under Firecracker. */
export const CONTROL_VSOCK_PORT = 1024;
/** TCP port of the agent in every VM. */
export const AGENT_PORT = 8080;
/** TCP port of the VNC server in a browser VM; only the host can reach it, and it asks for a password. */
export const VNC_PORT = 5900;
/** Where the VNC server finds its password at each login, as TigerVNC keeps it; the agent writes it when it is configured. */
export const VNC_PASSWORD_FILE = '/run/hearth-display/vnc.passwd';
/** A name that only Hearth's own dnsmasq knows: a guest asks for it to see whether its gateway answers. */
export const GATEWAY_NAME = 'gateway.hearth.internal';
/** Printed on the serial console by initramfs and agent: `hearth-phase: <name>`. */
export const CONSOLE_PHASE_PREFIX = 'hearth-phase: ';

export const guestAddressSchema = z.object({
  interface: z.string(),
  mac: z.string(),
  /** null while DHCP has given none. */
  ip: z.ipv4().nullable(),
  prefixLength: z.number().int().min(0).max(32).nullable(),
  gateway: z.ipv4().nullable(),
});
export type GuestAddress = z.infer<typeof guestAddressSchema>;

export const serviceNames = ['agent', 'display', 'desktop', 'browser'] as const;
/** What must run in a VM of a kind before it is ready. */
export const servicesOfKind: Readonly<Record<VmKind, readonly (typeof serviceNames)[number][]>> = {
  cli: ['agent'],
  browser: serviceNames,
};
/** frozen: it ran when the snapshot was made, and is stopped by the cgroup freezer until `thaw`. */
export const serviceStates = ['starting', 'running', 'frozen', 'failed'] as const;
/** State of one service in the guest, proven by its own protocol, not by its process. */
export const serviceStateSchema = z.object({
  name: z.enum(serviceNames),
  state: z.enum(serviceStates),
  /** Evidence: what the probe saw. */
  detail: z.string(),
});
export type ServiceState = z.infer<typeof serviceStateSchema>;
/** What is frozen ran when the snapshot was made, and does again as soon as somebody looks. */
export const isUp = ({ state }: Pick<ServiceState, 'state'>): boolean =>
  state === 'running' || state === 'frozen';

/** What only this VM has; given by the host before the agent serves anybody. */
export const guestIdentitySchema = z.object({
  vmId: vmIdSchema,
  kind: vmKindSchema,
  hostname: z.string().regex(/^[a-z0-9-]{1,63}$/),
  /** 32 hex digits, as in /etc/machine-id. */
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
  /** Of its one network card; a guest that came from saved memory still has another one. */
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
});
export type GuestIdentity = z.infer<typeof guestIdentitySchema>;

/** The display of a browser VM. */
export const guestDisplaySchema = z.object({
  /** Size of its screen; ready means that it has this size. */
  geometry: geometrySchema,
  /** What its VNC server asks for: new for each boot and each host daemon. VncAuth knows no longer ones. */
  vncPassword: z.string().regex(/^[A-Za-z0-9_-]{8}$/),
});
export type GuestDisplay = z.infer<typeof guestDisplaySchema>;

/** Guest to host. */
export const guestMessageSchema = z.discriminatedUnion('type', [
  /** First line after every (re)connect. */
  z.object({
    type: z.literal('hello'),
    agentVersion: z.string(),
    /** /proc/sys/kernel/random/boot_id */
    bootId: z.string(),
    /** Seconds since the guest's kernel started. */
    uptimeSeconds: z.number(),
  }),
  /** The agent serves HTTP with the token, and has an address; sent again on every change of an address. */
  z.object({ type: z.literal('address'), address: guestAddressSchema }),
  /** A service changed its state. `ready` of a VM needs all services of its kind running. */
  z.object({ type: z.literal('services'), services: z.array(serviceStateSchema) }),
  /** What credentials it has, without a secret: after every `hello`, and at every change. */
  z.object({ type: z.literal('credentials'), credentials: z.array(heldCredentialSchema) }),
  /** The answer to a request of the host. */
  z.object({
    type: z.literal('reply'),
    id: z.number().int(),
    ok: z.boolean(),
    error: z.string().optional(),
    data: z.unknown().optional(),
  }),
]);
export type GuestMessage = z.infer<typeof guestMessageSchema>;

/** Host to guest; each is answered by a `reply` with its id. */
export const hostMessageSchema = z.discriminatedUnion('type', [
  /** Identity and the token of this boot; the agent answers only callers that have it. Sent after every `hello`. */
  z.object({
    type: z.literal('configure'),
    id: z.number().int(),
    /** The call that led to it, for the guest's log. */
    requestId: z.string().optional(),
    identity: guestIdentitySchema,
    token: z.string().min(32),
    /** null for a VM without a desktop. */
    display: guestDisplaySchema.nullable(),
    /** Fresh randomness for the guest's kernel, which is reseeded with it before anything else happens: 64 bytes, base64. */
    seed: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
    /** Further certificate authorities (PEM) that everything in this VM trusts: `network.caCertificates`. */
    caCertificates: z.array(z.string()).max(32).default([]),
    /** Wall clock of the host in epoch milliseconds, sent last: it ages in transit. Set last, too. */
    hostTimeMs: z.number(),
  }),
  /**
   * The host is about to make a golden snapshot. The guest forgets identity, token and VNC password, ends its probes, takes
   * its network card down, freezes what may be frozen and has all at hand that a new identity needs. Answered once that is done;
   * the next `configure` makes a clone of it.
   */
  z.object({ type: z.literal('prepare-snapshot'), id: z.number().int() }),
  /** Someone looks: what was frozen runs on. Answered at once where nothing is frozen. */
  z.object({ type: z.literal('thaw'), id: z.number().int() }),
  /** Puts a credential into the tmpfs and links the home to it, in place of what was there. */
  z.object({ type: z.literal('credential-put'), id: z.number().int(), credential: guestCredentialSchema }),
  /** Reads one as it is now: data is {@link guestCredentialSchema}, or null where there is none. */
  z.object({ type: z.literal('credential-get'), id: z.number().int(), provider: providerIdSchema }),
  /** The vault took it over as this version, provided that it still has this digest; else nothing happens. */
  z.object({
    type: z.literal('credential-kept'),
    id: z.number().int(),
    provider: providerIdSchema,
    version: z.number().int().positive(),
    digest: z.string(),
  }),
  /** Ends what uses it, and erases it from the VM: data is its last content as of `credential-get`. */
  z.object({ type: z.literal('credential-drop'), id: z.number().int(), provider: providerIdSchema }),
  /** Is the agent awake? Answered at once, without data. */
  z.object({ type: z.literal('ping'), id: z.number().int() }),
  /** Asks for the guest's own view: data is {@link guestReportSchema}. Each part that can't be had is left empty, never the whole. */
  z.object({ type: z.literal('report'), id: z.number().int() }),
  /** Orderly power off; the VMM's exit follows. */
  z.object({ type: z.literal('shutdown'), id: z.number().int() }),
]);
export type HostMessage = z.infer<typeof hostMessageSchema>;

/** One network interface but loopback, as the guest's kernel has it. */
export const guestLinkSchema = z.object({ name: z.string(), mac: z.string(), up: z.boolean() });

/** One of the units that make a VM what it is. */
export const guestUnitSchema = z.object({
  /** e.g. `hearth-agent.service` */
  name: z.string(),
  /** LoadState of systemd: loaded, masked, not-found. */
  load: z.string(),
  /** ActiveState/SubState: `active/running`, `activating/auto-restart`, `failed/failed`. */
  state: z.string(),
  /** How often systemd started it again. */
  restarts: z.number().int(),
});

/** The guest's own view of itself, asked over the control channel and so without the network. */
export const guestReportSchema = z.object({
  hostname: z.string(),
  machineId: z.string(),
  bootId: z.string(),
  uptimeSeconds: z.number(),
  links: z.array(guestLinkSchema),
  addresses: z.array(guestAddressSchema),
  /** Of the main table, as `ip route` prints them. */
  routes: z.array(z.string()),
  services: z.array(serviceStateSchema),
  units: z.array(guestUnitSchema),
  /** Every unit of the guest in state `failed`. */
  failedUnits: z.array(z.string()),
  /** /proc/cmdline */
  kernelCommandLine: z.string(),
  memAvailableMiB: z.number(),
  memTotalMiB: z.number(),
  /** Processes that the kernel killed for lack of memory since it started (oom_kill of /proc/vmstat). */
  oomKills: z.number().int(),
  disk: z.object({ freeMiB: z.number(), totalMiB: z.number() }),
  /** Does the gateway answer a DNS query that the guest sends? null where it has no gateway. */
  gateway: z.object({ ok: z.boolean(), detail: z.string() }).nullable(),
  timeMs: z.number(),
});
export type GuestReport = z.infer<typeof guestReportSchema>;

/** What the guest prints on its console where its agent can't speak: `hearth-unit: hearth-agent.service LoadState=masked …`. */
export const CONSOLE_UNIT_PREFIX = 'hearth-unit: ';

/** GET /health of the agent. Without the token: 401 and a problem; before `configure`: 503. */
export const agentHealthSchema = z.object({
  status: z.enum(['ok', 'degraded']),
  version: z.string(),
  uptimeSeconds: z.number(),
  vmId: vmIdSchema,
  services: z.array(serviceStateSchema),
});
export type AgentHealth = z.infer<typeof agentHealthSchema>;
