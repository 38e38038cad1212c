// Who is logged in, and the way to end it.

import { useState } from 'preact/hooks';
import { mediumDate } from '../i18n/index.ts';
import type { ClientSession } from '../jmap/types.ts';
import { client } from '../state/app.ts';
import { errorText, throwSetErrors } from '../state/errors.ts';
import { Button } from '../ui/button.tsx';
import { ask } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Done, Problem, Show, useLoad } from './load.tsx';
import { s } from './words.ts';

/** "Firefox 140, Linux" of a browser's long name; a mail program's own as it is. */
function agentName(agent: string | null): string {
  if (!agent) return '';
  const browser = /(Edg|OPR|Firefox|Chrome|Version)\/(\d+)/.exec(agent.replace(/.*(?=Edg\/|OPR\/)/, ''));
  if (!agent.startsWith('Mozilla/') || !browser) return agent.slice(0, 60);
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', Version: 'Safari' };
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux)/.exec(agent)?.[1]?.replace('Mac OS X', 'macOS').replace('CrOS', 'ChromeOS');
  return [`${names[browser[1]!] ?? browser[1]} ${browser[2]}`, system].filter(Boolean).join(', ');
}

export function SessionsTab() {
  const loaded = useLoad(async () =>
    (await client.call('ClientSession/get', { ids: null })).list.sort(
      (a, b) => Number(b.current) - Number(a.current) || (b.lastUsed ?? b.created).localeCompare(a.lastUsed ?? a.created),
    ),
  );
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const act = async (run: () => Promise<string>) => {
    setProblem(null);
    setDone(null);
    try {
      setDone(await run());
    } catch (e) {
      setProblem(errorText(e));
    }
    await loaded.reload();
  };
  const end = (x: ClientSession) =>
    act(async () => {
      const a = await client.call('ClientSession/set', { destroy: [x.id] });
      throwSetErrors(a.notDestroyed);
      return s('sessions.ended');
    });
  const endOthers = async (n: number) => {
    if (!(await ask({ title: s('sessions.endOthers'), text: s('sessions.endOthersText'), confirm: s('sessions.endOthers'), danger: true }))) return;
    await act(async () => {
      const a = await client.call('ClientSession/set', { destroyOthers: true });
      return s('sessions.endedAll', { n: a.destroyed?.length ?? n });
    });
  };
  return (
    <>
      <p class="intro">{s('sessions.intro')}</p>
      <Problem text={problem} />
      <Done text={done} />
      <Show of={loaded}>
        {(list) => {
          const others = list.filter((x) => !x.current).length;
          return (
            <>
              <ul class="cards">
                {list.map((x) => {
                  const what = [s(`sessions.${x.kind}`), agentName(x.agent)].filter(Boolean).join(' · ');
                  return (
                    <li key={x.id} class="card">
                      <Icon name={x.kind === 'web' ? 'device' : 'box'} />
                      <span class="card-text">
                        <b>{what}</b>
                        <small>
                          {[s('sessions.since', { time: mediumDate(x.created) }), x.lastUsed && s('sessions.used', { time: mediumDate(x.lastUsed) }), s('sessions.from', { address: x.address })]
                            .filter(Boolean)
                            .join(', ')}
                        </small>
                      </span>
                      {x.current ? (
                        <span class="badge good">{s('sessions.current')}</span>
                      ) : (
                        <EndButton what={what} onClick={() => void end(x)} />
                      )}
                    </li>
                  );
                })}
              </ul>
              {others > 0 ? <Button kind="danger" onClick={() => void endOthers(others)}>{s('sessions.endOthers')}</Button> : <p class="fine">{s('sessions.none')}</p>}
            </>
          );
        }}
      </Show>
    </>
  );
}

function EndButton({ what, onClick }: { what: string; onClick: () => void }) {
  return (
    <Button title={s('sessions.endOf', { what })} onClick={onClick}>
      {s('sessions.end')}
      <span class="unseen"> {what}</span>
    </Button>
  );
}
