/** What is measured of a connection. */
export interface Measurement {
  /** Picture data that came, bytes per second over the last while; null before the first. */
  bytesPerSecond: number | null;
  /**
   * Screen round trip: from asking the desktop for one pixel to the first bytes of its answer, through the controller,
   * the host and the VNC server. Only taken while nothing else comes, since answers carry no name. null before the first.
   */
  roundTripMs: number | null;
}

const RATE_EVERY_MS = 2000;
const ASK_EVERY_MS = 10_000;
const FIRST_ASK_MS = 1500;
/** So long nothing came: the next that comes is the answer. */
const QUIET_MS = 200;
const ANSWER_TIMEOUT_MS = 5000;

/** FramebufferUpdateRequest (RFC 6143, 7.5.3), not incremental, for the pixel at 0, 0. */
const ONE_PIXEL = new Uint8Array([3, 0, 0, 0, 0, 0, 0, 1, 0, 1]);

/** Measures a connection while its page is looked at. @returns ends it */
export function measure(socket: WebSocket, onMeasured: (measurement: Measurement) => void): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  let now: Measurement = { bytesPerSecond: null, roundTripMs: null };
  let bytes = 0;
  let rateSinceMs = performance.now();
  let lastByteMs = rateSinceMs;
  let askedMs: number | null = null;
  const tell = (changes: Partial<Measurement>): void => {
    now = { ...now, ...changes };
    onMeasured(now);
  };
  const onMessage = ({ data }: MessageEvent<unknown>): void => {
    lastByteMs = performance.now();
    if (data instanceof ArrayBuffer) bytes += data.byteLength;
    if (askedMs === null) return;
    const tookMs = lastByteMs - askedMs;
    askedMs = null;
    if (tookMs < ANSWER_TIMEOUT_MS) tell({ roundTripMs: tookMs });
  };
  socket.addEventListener('message', onMessage, { signal });
  const ask = (): void => {
    const quiet = performance.now() - lastByteMs >= QUIET_MS;
    if (!quiet || document.visibilityState !== 'visible' || socket.readyState !== WebSocket.OPEN) return;
    askedMs = performance.now();
    socket.send(ONE_PIXEL);
  };
  const rate = setInterval(() => {
    const atMs = performance.now();
    tell({ bytesPerSecond: (bytes * 1000) / (atMs - rateSinceMs) });
    bytes = 0;
    rateSinceMs = atMs;
  }, RATE_EVERY_MS);
  const first = setTimeout(ask, FIRST_ASK_MS);
  const asking = setInterval(ask, ASK_EVERY_MS);
  return () => {
    ending.abort();
    clearInterval(rate);
    clearTimeout(first);
    clearInterval(asking);
  };
}
