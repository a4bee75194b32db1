import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

const ANSWER_TIMEOUT_MS = 5000;

/** Says one word to QEMU's monitor, which has one listener at a time: the host daemon must not be it. */
export async function qmpWord(path: string, word: 'stop' | 'cont'): Promise<void> {
  const socket = connect(path);
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error(`${path} is silent`)));
  // `quit` would end QEMU: closing our half ends the talk instead.
  socket.end(`{"execute":"qmp_capabilities"}{"execute":"${word}"}`);
  const answers = await text(socket);
  if ((answers.match(/"return"/g) ?? []).length !== 2) throw new Error(`QEMU did not ${word}: ${answers}`);
}
