import type { z } from 'zod';

/** The events of an answer, checked one by one. */
export async function* serverEvents<T extends z.ZodType>(
  { body }: Response,
  schema: T,
): AsyncGenerator<z.infer<T>> {
  if (body === null) throw new Error('no body');
  let text = '';
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) yield schema.parse(JSON.parse(data));
    }
  }
}
