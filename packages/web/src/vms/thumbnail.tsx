import type { ReactElement } from 'react';
import { Icon } from '../design/icon.tsx';
import { useThumbnail } from './use-thumbnail.ts';

const WIDTH = 640;

/** The screen in small; its place has the same size before and after it came. */
export function Thumbnail({ id }: { id: string }): ReactElement {
  const { box, url } = useThumbnail(id, WIDTH);
  return (
    <div ref={box} className="thumbnail">
      {url === null ? <Icon name="screen" /> : <img src={url} alt={`Screen of ${id}`} />}
    </div>
  );
}
