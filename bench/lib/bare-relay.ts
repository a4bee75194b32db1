import { connect, createServer } from 'node:net';

/** `node bare-relay.ts PORT TARGET_PORT`: what any Node program costs between two sockets: a pipe each way. */
const [port = '', target = ''] = process.argv.slice(2);
const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ port: Number(target), host: '127.0.0.1', noDelay: true });
  near.pipe(far).pipe(near);
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('up\n'));
