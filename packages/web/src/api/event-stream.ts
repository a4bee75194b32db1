/** One event of a text/event-stream (HTML standard, section 9.2). */
export interface ServerEvent {
  event: string;
  data: string;
}

/** Longest event that is taken, in characters. */
const MAX_EVENT_LENGTH = 4 * 1024 * 1024;

/** Splits a stream's text into events, whatever its chunks. Comments (`: beat`) give nothing. */
export function makeEventParser(onEvent: (event: ServerEvent) => void): (chunk: string) => void {
  let rest = '';
  let event = '';
  let data: string[] = [];
  const takeLine = (line: string): void => {
    if (line === '') {
      if (data.length > 0) onEvent({ event: event === '' ? 'message' : event, data: data.join('\n') });
      event = '';
      data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  };
  return (chunk) => {
    rest += chunk;
    // A \r at the very end may be half of a \r\n: it waits.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_EVENT_LENGTH) throw new RangeError('an event is too long');
    for (const line of lines) takeLine(line);
  };
}
