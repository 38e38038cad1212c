// Dragging messages and folders onto folders.

import { signal } from '@preact/signals';
import type { Id } from '../jmap/types.ts';

export type Dragged = { kind: 'rows'; ids: Id[] } | { kind: 'folder'; id: Id };

export const dragged = signal<Dragged | null>(null);

/** Begins a drag; the label is what hangs on the pointer. */
export function beginDrag(e: DragEvent, what: Dragged, label: string): void {
  if (!e.dataTransfer) return;
  dragged.value = what;
  e.dataTransfer.effectAllowed = 'move';
  e.dataTransfer.setData('application/x-depesche', what.kind);
  const tag = document.createElement('div');
  tag.className = 'drag-tag';
  tag.textContent = label;
  document.body.append(tag);
  e.dataTransfer.setDragImage(tag, -12, -8);
  setTimeout(() => tag.remove());
}

export function endDrag(): void {
  dragged.value = null;
}
