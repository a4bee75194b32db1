import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A web server inside the network namespace of a Hearth, on the bridge's own address, as VMs see it. */
export interface Site extends AsyncDisposable {
  url: string;
  /** Requests so far: method, path, and the address of the VM. */
  requests: { path: string; from: string }[];
}

const SERVER = `
  const [address, port, html] = process.argv.slice(1);
  require('node:http').createServer((request, response) => {
    console.log(JSON.stringify({ path: request.url, from: request.socket.remoteAddress }));
    response.setHeader('content-type', 'text/html');
    response.end(html);
  }).listen(Number(port), address, () => console.log('listening'));
`;

export async function openSite(
  namespace: string,
  address: string,
  port: number,
  html: string,
): Promise<Site> {
  // It must not outlive a test run that is killed.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${namespace}`],
      ...[process.execPath, '-e', SERVER, address, String(port), html],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const requests: Site['requests'] = [];
  const listening = Promise.withResolvers<undefined>();
  child.once('exit', (code) => listening.reject(new Error(`the web server ended with ${code}`)));
  createInterface(child.stdout).on('line', (line) => {
    if (line === 'listening') listening.resolve(undefined);
    else requests.push(JSON.parse(line) as Site['requests'][number]);
  });
  await listening.promise;
  return {
    url: `http://${address}:${port}/`,
    requests,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
