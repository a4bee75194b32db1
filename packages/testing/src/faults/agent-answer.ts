import { inNamespace } from './command.ts';

/** answers: by HTTP; accepts: a connection, and says nothing; refuses: the guest's kernel is there, nobody listens; silent: no packet comes back. */
export type AgentAnswer = 'answers' | 'accepts' | 'refuses' | 'silent';

/** The guest is emulated where there is no KVM. */
const WAIT_MS = 2000;
const AGENT_PORT = 8080;
const SCRIPT = `
const socket = require('node:net').connect(${AGENT_PORT}, process.argv[1]);
const end = (word) => { console.log(word); process.exit(0); };
let connected = false;
socket.on('connect', () => { connected = true; socket.write('GET /health HTTP/1.0\\r\\n\\r\\n'); });
socket.on('data', () => end('answers'));
socket.on('close', () => end(connected ? 'accepts' : 'silent'));
socket.on('error', (error) => end(error.code === 'ECONNREFUSED' ? 'refuses' : connected ? 'accepts' : 'silent'));
setTimeout(() => end(connected ? 'accepts' : 'silent'), ${WAIT_MS});
`;

/** Dials the agent from where the host daemon does, without a token. */
export async function agentAnswer(namespace: string, ip: string): Promise<AgentAnswer> {
  const word = (await inNamespace(namespace, process.execPath, '-e', SCRIPT, ip)).trim();
  if (word === 'answers' || word === 'accepts' || word === 'refuses' || word === 'silent') return word;
  throw new Error(`the probe of ${ip} said ${word}`);
}
