import {
  startProgress,
  vmIdSchema,
  type ErrorCode,
  type Geometry,
  type HearthError,
  type VmId,
} from '@hearth/contract';
import { joinServer, type ServerInit } from '@hearth/rfb';
import { startFakeHost, type FakeDisplay, type FakeHost } from '@hearth/testing';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { HostLink } from '../host-link/host-link.ts';
import { connectHost } from '../host-link/unix-socket.ts';
import { bridgeViewer, type Bridge, type BridgeLimits } from './bridge.ts';
import { connectDisplay } from './connect-display.ts';
import { runDialogue } from './dialogue-runner.ts';

export const testVm = vmIdSchema.parse('vm-000000000001');

/** A fake host with one ready browser VM, and a WebSocket server that bridges each viewer to its desktop. */
export interface TestDesktop extends AsyncDisposable {
  fake: FakeHost;
  host: HostLink;
  bridges: TestBridge[];
  /** How bridges to come behave. */
  settings: { mayControl: boolean; limits: BridgeLimits };
  /** Opens a WebSocket; its bridge and its connection to the fake display come with it. */
  view(): Promise<TestViewer>;
}

export interface TestBridge extends Bridge {
  notices: ErrorCode[];
  geometries: Geometry[];
  /** How often the first frame was told. */
  frames: () => number;
  abort: (reason: HearthError) => void;
}

export interface TestViewer {
  socket: WebSocket;
  bridge: TestBridge;
  display: FakeDisplay;
  /** Bytes that came after the handshake, once it was gone through. */
  received: Buffer[];
  /** Goes through the handshake. */
  join(): Promise<ServerInit>;
  closed: Promise<{ code: number; reason: string }>;
}

export const progressOf = (what: string) => startProgress({ what, timeoutMs: 10_000 });

export async function openTestDesktop(): Promise<TestDesktop> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-desktop-'));
  const fake = await startFakeHost(join(folder, 'host.sock'));
  const host = connectHost(fake.socketPath);
  await makeVm(fake, testVm);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const bridges: TestBridge[] = [];
  const settings: TestDesktop['settings'] = {
    mayControl: true,
    limits: { clipboardBytes: 1024 * 1024, slowViewerMs: 10_000 },
  };
  const newest = new Map<string, TestBridge>();
  server.on('connection', (socket, request) => {
    socket.pause();
    void (async () => {
      const display = await connectDisplay(host, testVm, progressOf('connecting'));
      const ended = new AbortController();
      const notices: ErrorCode[] = [];
      const geometries: Geometry[] = [];
      let frames = 0;
      socket.resume();
      const bridge = bridgeViewer({
        socket,
        display,
        mayControl: () => settings.mayControl,
        policy: 'viewer',
        limits: settings.limits,
        onNotice: (code) => notices.push(code),
        onGeometry: (geometry) => geometries.push(geometry),
        onFirstFrame: () => {
          frames += 1;
        },
        signal: ended.signal,
      });
      const whole = {
        ...{ ...bridge, notices, geometries, frames: () => frames },
        abort: (reason: HearthError) => ended.abort(reason),
      };
      bridges.push(whole);
      newest.set(request.url ?? '', whole);
    })();
  });
  let count = 0;
  return {
    fake,
    host,
    bridges,
    settings,
    view: async () => {
      const path = `/${(count += 1)}`;
      const before = new Set(fake.displays.open);
      const { port } = server.address() as AddressInfo;
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      const closed = once(socket, 'close').then(([code, reason]) => ({
        code: code as number,
        reason: String(reason),
      }));
      // A refused or broken connection shows in `closed`.
      socket.on('error', () => undefined);
      const early: Buffer[] = [];
      let onData = (data: Buffer): void => void early.push(data);
      socket.on('message', (data) => onData(data as Buffer));
      await once(socket, 'open');
      const bridge = await vi.waitFor(() => {
        const found = newest.get(path);
        expect(found).toBeDefined();
        return found as TestBridge;
      });
      const display = [...fake.displays.open].find((one) => !before.has(one));
      if (display === undefined) throw new Error('the viewer has no display');
      const received: Buffer[] = [];
      const join = async (): Promise<ServerInit> => {
        const joined = Promise.withResolvers<ServerInit>();
        const runner = runDialogue(joinServer(null), (bytes) => socket.send(bytes));
        const push = (data: Buffer): void => {
          const over = runner.push(data);
          if (over === null) return;
          onData = (more) => void received.push(more);
          if (over.rest.length > 0) received.push(over.rest);
          joined.resolve(over.value);
        };
        onData = push;
        push(Buffer.concat(early.splice(0)));
        return joined.promise;
      };
      return { socket, bridge, display, received, join, closed };
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      server.close();
      await host.close();
      await fake.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function makeVm(fake: FakeHost, id: VmId, kind: 'browser' | 'cli' = 'browser'): Promise<void> {
  fake.machines.create(id, {
    kind,
    cpus: 1,
    memMiB: 1024,
    diskMiB: 1024,
    desktop: kind === 'browser' ? { width: 640, height: 480 } : null,
    requestedAtMs: Date.now(),
    requestId: 'request-1',
  });
  await vi.waitFor(() => expect(fake.machines.get(id)?.state).toBe('ready'));
}

/** SetEncodings Raw, ExtendedDesktopSize. */
export const setEncodings = Buffer.from([2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xfe, 0xcc]);

export function updateRequest(incremental: boolean, { width, height }: Geometry): Buffer {
  const request = Buffer.alloc(10);
  request[0] = 3;
  request[1] = incremental ? 1 : 0;
  request.writeUInt16BE(width, 6);
  request.writeUInt16BE(height, 8);
  return request;
}

export const keyEvent = (down: boolean, keysym: number): Buffer => {
  const event = Buffer.alloc(8);
  event[0] = 4;
  event[1] = down ? 1 : 0;
  event.writeUInt32BE(keysym, 4);
  return event;
};
