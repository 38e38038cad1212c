// A list of which only the rows in sight exist. All rows are equally high, so that 100,000 of them
// cost no more than twenty.

import type { ComponentChildren, Ref } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface VirtualProps {
  count: number;
  rowHeight: number;
  row: (index: number) => ComponentChildren;
  /** Called with the rows in sight (and some around) whenever they change. */
  onRange?: (first: number, last: number) => void;
  /** Kept in sight when it changes. */
  focus?: number;
  /** Another value scrolls to the top. */
  resetKey?: string;
  class?: string;
  role?: 'listbox' | 'list' | 'grid';
  label: string;
  multiselectable?: boolean;
  activeId?: string;
  tabIndex?: number;
  onKeyDown?: (e: KeyboardEvent) => void;
  scrollRef?: Ref<HTMLDivElement>;
}

const OVERSCAN = 8;

export function Virtual(p: VirtualProps) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const first = Math.max(0, Math.floor(view.top / p.rowHeight) - OVERSCAN);
  const last = Math.min(p.count, Math.ceil((view.top + view.height) / p.rowHeight) + OVERSCAN);

  useLayoutEffect(() => {
    const el = box.current!;
    if (typeof p.scrollRef === 'function') p.scrollRef(el);
    else if (p.scrollRef) p.scrollRef.current = el;
    const measure = () => setView({ top: el.scrollTop, height: el.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(el);
    measure();
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    box.current!.scrollTop = 0;
    setView((v) => ({ ...v, top: 0 }));
  }, [p.resetKey]);
  useLayoutEffect(() => p.onRange?.(first, last), [first, last, p.count, p.resetKey]);
  useLayoutEffect(() => {
    if (p.focus === undefined || p.focus < 0) return;
    const el = box.current!;
    const top = p.focus * p.rowHeight;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + p.rowHeight > el.scrollTop + el.clientHeight)
      el.scrollTop = top + p.rowHeight - el.clientHeight;
  }, [p.focus, p.rowHeight]);

  const rows: ComponentChildren[] = [];
  for (let i = first; i < last; i++) rows.push(p.row(i));
  return (
    <div
      ref={box}
      class={`virtual${p.class ? ' ' + p.class : ''}`}
      role={p.role ?? 'list'}
      aria-label={p.label}
      aria-multiselectable={p.multiselectable}
      aria-activedescendant={p.activeId}
      tabIndex={p.tabIndex ?? 0}
      onKeyDown={p.onKeyDown}
      onScroll={(e) => {
        const el = e.currentTarget as HTMLDivElement;
        setView({ top: el.scrollTop, height: el.clientHeight });
      }}
    >
      <div class="virtual-inner" role="presentation" style={{ height: `${p.count * p.rowHeight}px` }}>
        <div
          class="virtual-window"
          role="presentation"
          style={{ transform: `translateY(${first * p.rowHeight}px)` }}
        >
          {rows}
        </div>
      </div>
    </div>
  );
}
