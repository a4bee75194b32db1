/** Orders, and thins out, the encodings that a viewer names; see viewer-filter. */
export type EncodingPolicy = 'viewer' | 'raw-first';
