// Buttons: with words, or an icon alone that says its name to a screen reader and as a tooltip.

import type { ComponentChildren, Ref } from 'preact';
import { Icon } from './icon.tsx';
import type { IconName } from './icon.tsx';

export interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  type?: 'button' | 'submit';
  disabled?: boolean;
  busy?: boolean;
  class?: string;
  autofocus?: boolean;
  title?: string;
  onClick?: (e: MouseEvent) => void;
  buttonRef?: Ref<HTMLButtonElement>;
}

export function Button(p: ButtonProps) {
  return (
    <button
      ref={p.buttonRef}
      type={p.type ?? 'button'}
      class={`button button-${p.kind ?? 'plain'}${p.class ? ' ' + p.class : ''}`}
      disabled={p.disabled}
      aria-busy={p.busy ? 'true' : undefined}
      autofocus={p.autofocus}
      title={p.title}
      onClick={p.onClick}
    >
      {p.icon && <Icon name={p.icon} />}
      {p.children !== undefined && <span>{p.children}</span>}
    </button>
  );
}

export interface IconButtonProps {
  icon: IconName;
  label: string;
  /** Shown behind the label in the tooltip. */
  shortcut?: string;
  pressed?: boolean;
  filled?: boolean;
  disabled?: boolean;
  expanded?: boolean;
  haspopup?: 'menu' | 'dialog';
  tabIndex?: number;
  class?: string;
  onClick?: (e: MouseEvent) => void;
  buttonRef?: Ref<HTMLButtonElement>;
}

export function IconButton(p: IconButtonProps) {
  return (
    <button
      ref={p.buttonRef}
      type="button"
      class={`icon-button${p.class ? ' ' + p.class : ''}`}
      aria-label={p.label}
      title={p.shortcut ? `${p.label} (${p.shortcut})` : p.label}
      aria-pressed={p.pressed}
      aria-expanded={p.expanded}
      aria-haspopup={p.haspopup}
      tabIndex={p.tabIndex}
      disabled={p.disabled}
      onClick={p.onClick}
    >
      <Icon name={p.icon} filled={p.filled} />
    </button>
  );
}
