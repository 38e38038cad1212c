// Logging in and out (doc/jmap-extensions.md): plain HTTP beside JMAP.

export type LoginAnswer =
  | { type: 'ok'; address: string }
  | { type: 'wrong' | 'disabled' | 'origin' | 'busy' | 'offline' }
  | { type: 'blocked'; until: string | null };

export async function login(address: string, password: string): Promise<LoginAnswer> {
  let response: Response;
  try {
    response = await fetch('/mail/login', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address, password }),
    });
  } catch {
    return { type: 'offline' };
  }
  const body = (await response.json().catch(() => ({}))) as { type?: string; until?: string; address?: string };
  if (response.ok) return { type: 'ok', address: body.address ?? address };
  switch (response.status) {
    case 401:
      return { type: 'wrong' };
    case 403:
      return { type: body.type === 'origin' ? 'origin' : 'disabled' };
    case 429:
      return { type: 'blocked', until: body.until ?? null };
    default:
      return { type: 'busy' };
  }
}

export async function logout(): Promise<void> {
  await fetch('/mail/logout', { method: 'POST', credentials: 'same-origin' }).catch(() => undefined);
}
