/** Pixels in memory: u8, [height, width, 3], red first, no padding between rows. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
