import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** One request on its way through a route. */
export interface Context {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  /** Parts of the path that the route left open. */
  params: string[];
  /**
   * Takes the connection of a request that asks for this protocol away from HTTP: answers 101, and gives its bytes from the
   * first on. Throws bad_request where another one is asked for, or none.
   */
  upgrade: (protocol: string) => Duplex;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: RegExp;
  handle(context: Context): Promise<void>;
}
