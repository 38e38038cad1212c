// What is to be sent later, and the way to stop it.

import { useState } from 'preact/hooks';
import { longDate } from '../i18n/index.ts';
import type { Email, EmailSubmission } from '../jmap/types.ts';
import { closeSettings, openComposer } from '../open.ts';
import { client } from '../state/app.ts';
import { errorText } from '../state/errors.ts';
import { syncSoon } from '../state/live.ts';
import { wholeEmail } from '../state/thread.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Done, Problem, Show, useLoad } from './load.tsx';
import { s } from './words.ts';

interface Waiting {
  submission: EmailSubmission;
  email: Pick<Email, 'id' | 'subject' | 'to' | 'cc' | 'bcc'> | undefined;
}

async function ask(): Promise<Waiting[]> {
  const query = client.call('EmailSubmission/query', { filter: { undoStatus: 'pending' }, sort: [{ property: 'sentAt', isAscending: true }] });
  const all = client.call('EmailSubmission/get', { '#ids': query.ref('/ids') });
  const emails = client.call('Email/get', { '#ids': all.ref('/list/*/emailId'), properties: ['id', 'subject', 'to', 'cc', 'bcc'] });
  const [a, e] = await Promise.all([all, emails]);
  return a.list.map((submission) => ({ submission, email: e.list.find((x) => x.id === submission.emailId) }));
}

export function WaitingTab() {
  const loaded = useLoad(ask);
  const [problem, setProblem] = useState<string | null>(null);
  const [stopped, setStopped] = useState<string | null>(null);
  const cancel = async (w: Waiting) => {
    setProblem(null);
    setStopped(null);
    try {
      const { cancelSubmission } = await import('../compose/send.tsx');
      await cancelSubmission(w.submission.id);
      setStopped(w.submission.emailId);
      syncSoon();
    } catch (e) {
      setProblem(errorText(e));
    }
    await loaded.reload();
  };
  const edit = async (id: string) => {
    try {
      const email = await wholeEmail(id);
      closeSettings();
      await openComposer({ kind: 'draft', email });
    } catch (e) {
      setProblem(errorText(e));
    }
  };
  return (
    <>
      <p class="intro">{s('waiting.intro')}</p>
      <Problem text={problem} />
      <Done text={stopped ? s('waiting.canceled') : null} />
      {stopped && <p class="row"><Button icon="edit" onClick={() => void edit(stopped)}>{s('waiting.edit')}</Button></p>}
      <Show of={loaded}>
        {(list) =>
          list.length === 0 ? (
            <div class="empty">
              <Icon name="clock" />
              <p>{s('waiting.none')}</p>
            </div>
          ) : (
            <ul class="cards">
              {list.map((w) => {
                const subject = w.email?.subject || s('deleted.noSubject');
                const who = [...(w.email?.to ?? []), ...(w.email?.cc ?? []), ...(w.email?.bcc ?? [])].map((a) => a.name || a.email).join(', ');
                return (
                  <li key={w.submission.id} class="card">
                    <Icon name="clock" />
                    <span class="card-text">
                      <b>{subject}</b>
                      <span class="card-line">{s('waiting.to', { who })}</span>
                      <small>{s('waiting.at', { time: longDate(w.submission.sendAt) })}</small>
                    </span>
                    <Button title={s('waiting.cancelOf', { subject })} onClick={() => void cancel(w)}>
                      {s('waiting.cancel')}
                    </Button>
                  </li>
                );
              })}
            </ul>
          )
        }
      </Show>
    </>
  );
}
