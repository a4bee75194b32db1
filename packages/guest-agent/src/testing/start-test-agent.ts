import { encodeLine, guestMessageSchema, type GuestMessage } from '@hearth/contract';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { startAgent, type AgentOptions } from '../agent.ts';
import type { ControlTransport } from '../control/transport.ts';
import type { LoginUser } from '../exec/login-user.ts';
import type { Probe } from '../probes/probe.ts';
import { createTrust } from '../system/trust.ts';
import { createFakeGuest, type FakeGuest, type FakeMemory } from './fake-guest.ts';

export const TOKEN = 'test-token-of-at-least-32-characters';
export const MACHINE_ID = '0123456789abcdef0123456789abcdef';
export const IDENTITY = {
  vmId: 'vm-000000000000',
  kind: 'cli' as const,
  hostname: 'hearth-test',
  machineId: MACHINE_ID,
  mac: '02:00:00:00:00:01',
};
/** A guest that was booted cold: it has another name than its host will give it. */
const BEFORE: FakeMemory = {
  mac: IDENTITY.mac,
  machineId: MACHINE_ID,
  hostname: 'before',
  isUp: true,
  frozen: false,
  pool: 'booted',
};
export const SEED = Buffer.alloc(64, 1).toString('base64');

/** A control channel over a socket, as a stand-in for the virtio port. */
export function socketTransport(socket: Socket): ControlTransport {
  return {
    start: (listener) => {
      socket.on('data', (chunk) => listener.onData(chunk));
      socket.on('close', () => listener.onDisconnect());
      listener.onConnect();
    },
    send: (bytes) => !socket.destroyed && socket.write(bytes),
    stop: () => socket.destroy(),
  };
}

/** Both ends of a unix socket. */
export async function socketPair(): Promise<{
  folder: string;
  host: Socket;
  guest: Socket;
  close: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-agent-'));
  const path = join(folder, 'control');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const guest = connect(path);
  const host = await accepted;
  return {
    folder,
    host,
    guest,
    close: async () => {
      host.destroy();
      guest.destroy();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** The host's end of a test's control channel. */
export interface TestHost {
  messages: GuestMessage[];
  sendRaw(text: string | Uint8Array): void;
  send(message: unknown): void;
  /** Waits for a message that fits; those that came before count. */
  until(fits: (message: GuestMessage) => boolean): Promise<GuestMessage>;
  reply(id: number): Promise<GuestMessage & { type: 'reply' }>;
  configure(id?: number): Promise<GuestMessage & { type: 'reply' }>;
}

function testHost(socket: Socket): TestHost {
  const messages: GuestMessage[] = [];
  const waiting = new Set<() => void>();
  let rest = '';
  socket.on('data', (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') messages.push(guestMessageSchema.parse(JSON.parse(line)));
    for (const look of waiting) look();
  });
  const until: TestHost['until'] = (fits) => {
    const { promise, resolve } = Promise.withResolvers<GuestMessage>();
    const look = (): void => {
      const found = messages.find(fits);
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    look();
    return promise;
  };
  const reply: TestHost['reply'] = async (id) => {
    const message = await until((one) => one.type === 'reply' && one.id === id);
    if (message.type !== 'reply') throw new Error('no reply');
    return message;
  };
  const send: TestHost['send'] = (message) => void socket.write(encodeLine(message));
  return {
    messages,
    sendRaw: (text) => void socket.write(text),
    send,
    until,
    reply,
    configure: (id = 1) => {
      send({
        type: 'configure',
        id,
        identity: IDENTITY,
        token: TOKEN,
        display: null,
        seed: SEED,
        caCertificates: [],
        hostTimeMs: Date.now(),
      });
      return reply(id);
    },
  };
}

export interface TestAgent {
  url: string;
  host: TestHost;
  guest: FakeGuest;
  /** What was changed in the guest. */
  calls: string[];
  /** A request with the token. */
  call(path: string, init?: RequestInit): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs an agent in this process: loopback, a random port, commands as the user who runs the tests. */
export async function startTestAgent({
  memory,
  ...options
}: Partial<AgentOptions> & { probes?: Probe[]; memory?: Partial<FakeMemory> } = {}): Promise<TestAgent> {
  const pair = await socketPair();
  const { uid, gid, homedir } = userInfo();
  const user = (name: LoginUser['name']): LoginUser => ({
    name,
    uid,
    gid,
    home: homedir,
    shell: '/bin/sh',
    path: '/usr/local/bin:/usr/bin:/bin',
  });
  const guest = createFakeGuest({ ...BEFORE, ...memory });
  const host = testHost(pair.host);
  const agent = await startAgent({
    version: '0.1.0+test',
    listen: { address: '127.0.0.1', port: 0 },
    transport: socketTransport(pair.guest),
    system: guest.system,
    view: guest.view,
    freezer: guest.freezer,
    runtimeDir: pair.folder,
    users: { hearth: user('hearth'), root: user('root') },
    interfaceName: 'eth0',
    readAddresses: guest.readAddresses,
    vncPasswordFile: join(pair.folder, 'display', 'vnc.passwd'),
    adoptNameServers: async () => void guest.calls.push('name servers'),
    trust: createTrust(pair.folder),
    credentials: {
      folder: join(pair.folder, 'credentials'),
      mount: async (folder) => {
        await mkdir(folder, { recursive: true });
      },
    },
    desktop: { devtoolsPort: 1, linkSocket: join(pair.folder, 'open', 'socket'), env: {} },
    spoolDir: join(pair.folder, 'runs'),
    modulesFolder: resolve(import.meta.dirname, '../../../../node_modules'),
    providers: {},
    probesFor: () => options.probes ?? [],
    randomBytes: guest.randomBytes,
    log: () => undefined,
    ...options,
  });
  const url = `http://127.0.0.1:${agent.port}`;
  return {
    url,
    host,
    guest,
    calls: guest.calls,
    call: (path, init = {}) =>
      fetch(url + path, {
        ...init,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(init.headers as Record<string, string> | undefined),
        },
      }),
    [Symbol.asyncDispose]: async () => {
      await agent.stop();
      await pair.close();
    },
  };
}

export async function startConfiguredAgent(
  options?: Parameters<typeof startTestAgent>[0],
): Promise<TestAgent> {
  const agent = await startTestAgent(options);
  const reply = await agent.host.configure();
  if (!reply.ok) throw new Error(reply.error);
  return agent;
}
