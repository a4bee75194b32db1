// Runs in a guest with its Node: prints, as one line of JSON, what no other VM may have.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { connect, createServer } from 'node:tls';

const eth0 = (networkInterfaces().eth0 ?? []).find(({ family }) => family === 'IPv4');

// A handshake with itself, by a key that both know: certificates would only make it longer. What is looked at are the secrets of the session.
const pskOptions = { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
const psk = Buffer.alloc(32, 1);
const server = createServer({ ...pskOptions, pskCallback: () => psk }, (socket) => socket.end('hello'));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const socket = connect({
  ...pskOptions,
  host: '127.0.0.1',
  port: server.address().port,
  pskCallback: () => ({ psk, identity: 'guest' }),
  checkServerIdentity: () => undefined,
});
const keys = [];
socket.on('keylog', (line) => keys.push(line.toString().trim()));
socket.resume();
await once(socket, 'close');
server.close();
// CLIENT_RANDOM <random> <secret>
const [, tlsClientRandom, tlsSecret] = keys[0].split(' ');

console.log(
  JSON.stringify({
    hostname: hostname(),
    machineId: readFileSync('/etc/machine-id', 'utf8').trim(),
    mac: readFileSync('/sys/class/net/eth0/address', 'utf8').trim(),
    ip: eth0?.address ?? null,
    newMachineId: execFileSync('systemd-id128', ['new'], { encoding: 'utf8' }).trim(),
    kernelUuid: readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim(),
    nodeUuid: randomUUID(),
    nodeRandom: randomBytes(32).toString('hex'),
    tlsClientRandom,
    tlsSecret,
  }),
);
