// Dialogs on the browser's own <dialog>, which keeps the focus inside and gives it back. Views that
// have a dialog of their own use <Dialog>; a question to confirm is ask().

import type { ComponentChildren } from 'preact';
import { signal } from '@preact/signals';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Button, IconButton } from './button.tsx';

export interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  footer?: ComponentChildren;
  size?: 'small' | 'medium' | 'large' | 'full';
  class?: string;
}

export function Dialog({ title, onClose, children, footer, size = 'medium', class: extra }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before anything is painted: no key may go by it to the page behind.
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    ref.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog
      ref={ref}
      class={`dialog dialog-${size}${extra ? ' ' + extra : ''}`}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onMouseDown={(e) => e.target === ref.current && onClose()}
      onKeyDown={(e) => e.stopPropagation()}
    >
      <div class="dialog-box">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label={t('close')} onClick={onClose} />
        </header>
        <div class="dialog-body">{children}</div>
        {footer && <footer class="dialog-foot">{footer}</footer>}
      </div>
    </dialog>
  );
}

interface Question {
  title: string;
  text: ComponentChildren;
  confirm: string;
  danger?: boolean;
  /** With it, the answer is the text typed. */
  input?: { label: string; value: string };
  resolve: (answer: string | boolean) => void;
}
const question = signal<Question | null>(null);

/** A question with yes and no; resolves to whether it was confirmed. */
export function ask(q: Omit<Question, 'resolve' | 'input'>): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = { ...q, resolve: (a) => resolve(a !== false) };
  });
}

/** A question for one line of text; null when it was not answered. */
export function prompt(q: Omit<Question, 'resolve' | 'text' | 'input'> & { label: string; value?: string; text?: string }): Promise<string | null> {
  return new Promise((resolve) => {
    question.value = {
      ...q,
      text: q.text ?? '',
      input: { label: q.label, value: q.value ?? '' },
      resolve: (a) => resolve(typeof a === 'string' ? a : null),
    };
  });
}

/** Shows the question of ask() or prompt(); once in the page. */
export function Questions() {
  const q = question.value;
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), [q]);
  if (!q) return null;
  const answer = (a: string | boolean) => {
    question.value = null;
    q.resolve(a);
  };
  const submit = (e: Event) => {
    e.preventDefault();
    answer(q.input ? (input.current?.value ?? '').trim() || false : true);
  };
  return (
    <Dialog
      key={q.title}
      size="small"
      title={q.title}
      onClose={() => answer(false)}
      footer={
        <>
          <Button onClick={() => answer(false)}>{t('cancel')}</Button>
          <Button kind={q.danger ? 'danger' : 'primary'} autofocus={!q.input} onClick={submit}>
            {q.confirm}
          </Button>
        </>
      }
    >
      <form onSubmit={submit}>
        {q.text && <div class="dialog-text">{q.text}</div>}
        {q.input && (
          <label class="field">
            <span>{q.input.label}</span>
            <input ref={input} class="input" value={q.input.value} maxLength={200} autofocus />
          </label>
        )}
      </form>
    </Dialog>
  );
}
