// A menu that opens under its button: arrow keys, first letters, Escape; closes on a click elsewhere.

import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

export interface MenuItem {
  label: string;
  icon?: IconName;
  hint?: string;
  danger?: boolean;
  disabled?: boolean;
  /** A rule above it. */
  separate?: boolean;
  checked?: boolean;
  /** Depth in a tree of folders. */
  depth?: number;
  run: () => void;
}

export interface PopupProps {
  anchor: HTMLElement | { x: number; y: number };
  items: MenuItem[];
  label: string;
  onClose: () => void;
  /** Above the items, as a field to filter them. */
  children?: ComponentChildren;
}

/** The open menu; Menu wraps it with its button, others open it at a place of their own. */
export function Popup({ anchor, items, label, onClose, children }: PopupProps) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const el = ref.current!;
    el.showPopover?.();
    const a =
      anchor instanceof HTMLElement
        ? anchor.getBoundingClientRect()
        : { left: anchor.x, right: anchor.x, top: anchor.y, bottom: anchor.y };
    const { offsetWidth: w, offsetHeight: h } = el;
    const left = a.left + w > innerWidth - 8 ? Math.max(8, a.right - w) : a.left;
    const below = a.bottom + 4 + h <= innerHeight - 8;
    el.style.left = `${left}px`;
    el.style.top = `${below ? a.bottom + 4 : Math.max(8, a.top - 4 - h)}px`;
  }, [anchor, items.length]);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const el = ref.current!;
    (el.querySelector<HTMLElement>('input') ?? el.querySelector<HTMLElement>('[role^=menuitem]:not(:disabled)'))?.focus();
    const away = (e: Event) => !el.contains(e.target as Node) && onClose();
    document.addEventListener('pointerdown', away, true);
    addEventListener('blur', onClose);
    return () => {
      document.removeEventListener('pointerdown', away, true);
      removeEventListener('blur', onClose);
      if (el.contains(document.activeElement) || document.activeElement === document.body) before?.focus?.();
    };
  }, []);
  const keyDown = (e: KeyboardEvent) => {
    e.stopPropagation();
    const all = [...ref.current!.querySelectorAll<HTMLButtonElement>('[role^=menuitem]:not(:disabled)')];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const go = (i: number) => {
      e.preventDefault();
      all[(i + all.length) % all.length]?.focus();
    };
    if (e.key === 'ArrowDown') go(at + 1);
    else if (e.key === 'ArrowUp') go(at - 1);
    else if (e.key === 'Home' && at >= 0) go(0);
    else if (e.key === 'End' && at >= 0) go(all.length - 1);
    else if (e.key === 'Escape' || e.key === 'Tab') {
      e.preventDefault();
      onClose();
    } else if (e.key === 'Enter' && at < 0) {
      e.preventDefault();
      all[0]?.click();
    } else if (e.key.length === 1 && at >= 0 && !e.ctrlKey && !e.metaKey) {
      const letter = e.key.toLowerCase();
      const i = all.findIndex((b, k) => k > at && b.textContent?.trim().toLowerCase().startsWith(letter));
      const found = i >= 0 ? i : all.findIndex((b) => b.textContent?.trim().toLowerCase().startsWith(letter));
      if (found >= 0) go(found);
    }
  };
  return (
    <div ref={ref} class="menu" popover="manual" onKeyDown={keyDown}>
      {children}
      <div role="menu" aria-label={label}>
        {items.map((item) => (
          <button
            key={item.label + item.depth}
            type="button"
            role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
            aria-checked={item.checked}
            class={`menu-item${item.danger ? ' danger' : ''}${item.separate ? ' separate' : ''} depth-${Math.min(item.depth ?? 0, 6)}`}
            disabled={item.disabled}
            onClick={() => {
              onClose();
              item.run();
            }}
          >
            {item.icon ? <Icon name={item.icon} /> : item.checked !== undefined && <span class="icon" />}
            <span class="menu-label">{item.label}</span>
            {item.checked && <Icon name="check" />}
            {item.hint && <kbd>{item.hint}</kbd>}
          </button>
        ))}
      </div>
    </div>
  );
}

export interface MenuProps {
  icon: IconName;
  label: string;
  items: MenuItem[] | (() => MenuItem[]);
  disabled?: boolean;
  class?: string;
}

export function Menu({ icon, label, items, disabled, class: extra }: MenuProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  return (
    <>
      <IconButton
        buttonRef={button}
        icon={icon}
        label={label}
        haspopup="menu"
        expanded={open}
        disabled={disabled}
        class={extra}
        onClick={() => setOpen(!open)}
      />
      {open && (
        <Popup
          anchor={button.current!}
          items={typeof items === 'function' ? items() : items}
          label={label}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}
