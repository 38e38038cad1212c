// What a tab needs from the server: a skeleton until it is there, words and a button when it is not.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { errorText } from '../state/errors.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { s } from './words.ts';

export interface Loaded<T> {
  data: T | null;
  error: string | null;
  reload: () => Promise<void>;
}

export function useLoad<T>(ask: () => Promise<T>): Loaded<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const reload = async () => {
    try {
      setData(await ask());
      setError(null);
    } catch (e) {
      setError(errorText(e));
    }
  };
  useEffect(() => void reload(), []);
  return { data, error, reload };
}

export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  if (of.error && of.data === null)
    return (
      <div class="empty" role="alert">
        <Icon name="warning" />
        <p>{s('failed')} {of.error}</p>
        <Button onClick={() => void of.reload()}>{t('retry')}</Button>
      </div>
    );
  return of.data === null ? <Skeleton lines={5} /> : <>{children(of.data)}</>;
}

export function Problem({ text }: { text: string | null }) {
  return <div role="alert">{text && <p class="notice notice-danger"><Icon name="warning" /><span>{text}</span></p>}</div>;
}

export function Done({ text }: { text: string | null }) {
  return <div role="status">{text && <p class="notice notice-good"><Icon name="check" /><span>{text}</span></p>}</div>;
}
