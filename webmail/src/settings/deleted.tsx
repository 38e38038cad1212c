// What was deleted and can come back.

import { useState } from 'preact/hooks';
import { formatSize, mediumDate, shortDate } from '../i18n/index.ts';
import type { DeletedEmail, Id } from '../jmap/types.ts';
import { client, own } from '../state/app.ts';
import { errorText } from '../state/errors.ts';
import { syncSoon } from '../state/live.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Done, Problem, Show, useLoad } from './load.tsx';
import { s } from './words.ts';

const PAGE = 50;

export function DeletedTab() {
  const [more, setMore] = useState<DeletedEmail[]>([]);
  const [ticked, setTicked] = useState<ReadonlySet<Id>>(new Set());
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const loaded = useLoad(() => client.call('DeletedEmail/query', { position: 0, limit: PAGE }));
  const days = own.value?.undeleteDays ?? 14;

  const guard = async (run: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (e) {
      setProblem(errorText(e));
    } finally {
      setBusy(false);
    }
  };
  const fetchMore = (position: number) =>
    guard(async () => {
      const a = await client.call('DeletedEmail/query', { position, limit: PAGE });
      setMore([...more, ...a.list]);
    });
  const restore = () =>
    guard(async () => {
      const a = await client.call('DeletedEmail/restore', { ids: [...ticked] });
      setDone(s('deleted.restored', { n: a.restored }));
      setTicked(new Set());
      setMore([]);
      await loaded.reload();
      syncSoon();
    });
  const tick = (id: Id, on: boolean) => {
    const next = new Set(ticked);
    if (on) next.add(id);
    else next.delete(id);
    setTicked(next);
    setDone(null);
  };
  return (
    <>
      <p class="intro">{s('deleted.intro', { days })}</p>
      <Problem text={problem} />
      <Done text={done} />
      <Show of={loaded}>
        {(page) => {
          const list = [...page.list, ...more];
          if (list.length === 0)
            return (
              <div class="empty">
                <Icon name="trash" />
                <p>{s('deleted.none', { days })}</p>
              </div>
            );
          return (
            <>
              <div class="list-tools">
                <label class="check">
                  <input
                    type="checkbox"
                    checked={ticked.size === list.length}
                    onChange={(e) => setTicked(new Set(e.currentTarget.checked ? list.map((x) => x.id) : []))}
                  />
                  {s('deleted.all')}
                </label>
                <Button kind="primary" icon="undo" disabled={busy || ticked.size === 0} busy={busy} onClick={() => void restore()}>
                  {s('deleted.restore', { n: ticked.size })}
                </Button>
              </div>
              <ul class="cards">
                {list.map((x) => (
                  <li key={x.id}>
                    <label class="card card-pick">
                      <input type="checkbox" checked={ticked.has(x.id)} onChange={(e) => tick(x.id, e.currentTarget.checked)} />
                      <span class="card-text">
                        <b>{x.subject || s('deleted.noSubject')}</b>
                        <span class="card-line">{[x.from, shortDate(x.receivedAt), formatSize(x.size)].filter(Boolean).join(' · ')}</span>
                        <small>
                          {s('deleted.from', { mailbox: x.mailbox, time: mediumDate(x.deletedAt) })}, {s('deleted.until', { time: mediumDate(x.until) })}
                        </small>
                      </span>
                    </label>
                  </li>
                ))}
              </ul>
              {list.length < page.total && <Button disabled={busy} onClick={() => void fetchMore(list.length)}>{s('more')}</Button>}
            </>
          );
        }}
      </Show>
    </>
  );
}
