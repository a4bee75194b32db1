import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request on its way through a route. */
export interface Context {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  /** Parts of the path that the route left open. */
  params: string[];
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT';
  path: RegExp;
  handle(context: Context): Promise<void>;
}
