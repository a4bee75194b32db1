import type { Picture } from '@hearth/rfb';
import type { RgbRows } from './png.ts';

/** The picture as rows, made `width` wide where it is wider: each pixel the average of those that it stands for. */
export function scaledRows({ width, height, rgba }: Picture, wanted: number | undefined): RgbRows {
  if (wanted === undefined || wanted >= width) {
    return {
      width,
      height,
      row: (y, target) => {
        let from = y * width * 4;
        for (let to = 0; to < width * 3; to += 3, from += 4) {
          target[to] = rgba[from] ?? 0;
          target[to + 1] = rgba[from + 1] ?? 0;
          target[to + 2] = rgba[from + 2] ?? 0;
        }
      },
    };
  }
  const rows = Math.max(1, Math.round((height * wanted) / width));
  const left = Array.from({ length: wanted + 1 }, (_none, x) => Math.floor((x * width) / wanted));
  return {
    width: wanted,
    height: rows,
    row: (y, target) => {
      const top = Math.floor((y * height) / rows);
      const bottom = Math.max(top + 1, Math.floor(((y + 1) * height) / rows));
      for (let x = 0; x < wanted; x += 1) {
        const [begin, end] = [left[x] ?? 0, left[x + 1] ?? 0];
        let [red, green, blue] = [0, 0, 0];
        for (let line = top; line < bottom; line += 1)
          for (let at = (line * width + begin) * 4; at < (line * width + end) * 4; at += 4) {
            red += rgba[at] ?? 0;
            green += rgba[at + 1] ?? 0;
            blue += rgba[at + 2] ?? 0;
          }
        const pixels = (bottom - top) * (end - begin);
        target[x * 3] = Math.round(red / pixels);
        target[x * 3 + 1] = Math.round(green / pixels);
        target[x * 3 + 2] = Math.round(blue / pixels);
      }
    },
  };
}
