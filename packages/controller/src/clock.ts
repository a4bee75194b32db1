/** Time and chance, handed to whatever needs them. */
export interface World {
  now: () => Date;
  randomBytes: (size: number) => Uint8Array;
}
