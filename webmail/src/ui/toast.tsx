// Short messages at the foot of the page, read out by screen readers; most offer to undo.

import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Button, IconButton } from './button.tsx';
import { Icon } from './icon.tsx';

export interface Toast {
  id: number;
  text: string;
  kind: 'done' | 'error';
  action?: { label: string; run: () => void } | undefined;
}

const SECONDS = 8;
const MOST = 3;

export const toasts = signal<Toast[]>([]);
const timers = new Map<number, { timer: ReturnType<typeof setTimeout>; closed?: (() => void) | undefined }>();
let last = 0;

export interface ToastOptions {
  kind?: Toast['kind'];
  action?: Toast['action'];
  seconds?: number;
  /** It went away, and the action was not taken. */
  closed?: () => void;
}

/** Shows a message; returns what closes it without its `closed`. */
export function toast(text: string, options: ToastOptions = {}): () => void {
  const id = ++last;
  const seconds = options.seconds ?? (options.kind === 'error' ? 2 * SECONDS : SECONDS);
  const timer = setTimeout(() => close(id), seconds * 1000);
  timers.set(id, { timer, closed: options.closed });
  const next = [...toasts.value, { id, text, kind: options.kind ?? 'done', action: options.action }];
  toasts.value = next;
  for (const old of next.slice(0, -MOST)) close(old.id);
  return () => remove(id);
}

function remove(id: number): void {
  clearTimeout(timers.get(id)?.timer);
  timers.delete(id);
  toasts.value = toasts.value.filter((x) => x.id !== id);
}

function close(id: number): void {
  const closed = timers.get(id)?.closed;
  remove(id);
  closed?.();
}

/** Takes the newest action that is still offered (key z). */
export function undoLast(): boolean {
  const x = toasts.value.findLast((y) => y.action);
  if (!x) return false;
  remove(x.id);
  x.action!.run();
  return true;
}

export function Toasts() {
  const box = useRef<HTMLDivElement>(null);
  const all = toasts.value;
  // A popover, opened anew each time: it lies over a dialog that was opened before.
  useLayoutEffect(() => {
    const el = box.current!;
    if (el.matches(':popover-open')) el.hidePopover();
    if (all.length) el.showPopover();
  }, [all]);
  return (
    <>
      <div class="unseen" role="status" aria-live="polite">{all.at(-1)?.text}</div>
      <div ref={box} class="toasts" popover="manual" role="region" aria-label={t('toasts')}>
        {all.map((x) => (
          <div key={x.id} class={`toast toast-${x.kind}`}>
            {x.kind === 'error' && <Icon name="warning" />}
            <span class="toast-text">{x.text}</span>
            {x.action && (
              <Button
                kind="quiet"
                onClick={() => {
                  remove(x.id);
                  x.action!.run();
                }}
              >
                {x.action.label}
              </Button>
            )}
            <IconButton icon="close" label={t('close')} onClick={() => close(x.id)} />
          </div>
        ))}
      </div>
    </>
  );
}
