import { useEffect, useRef, useState, type RefObject } from 'react';

/** Width of an element in pixels, as it changes; what it begins with before it is known. */
export function useWidth<T extends Element>(atFirst: number): [RefObject<T | null>, number] {
  const element = useRef<T>(null);
  const [width, setWidth] = useState(atFirst);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.round(entry.contentRect.width));
    });
    if (element.current !== null) observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
