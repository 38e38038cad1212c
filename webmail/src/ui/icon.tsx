// The icons: symbols of the sprite that the build puts into index.html (src/icons.svg).

export type IconName =
  | 'inbox' | 'drafts' | 'sent' | 'junk' | 'trash' | 'archive' | 'folder' | 'star' | 'reply' |
  'replyall' | 'forward' | 'search' | 'close' | 'check' | 'menu' | 'more' | 'back' | 'up' |
  'down' | 'right' | 'settings' | 'compose' | 'attach' | 'unread' | 'read' | 'move' | 'print'
  | 'download' | 'source' | 'image' | 'file' | 'shield' | 'shieldoff' | 'lock' | 'unlock' |
  'warning' | 'info' | 'undo' | 'sun' | 'moon' | 'logout' | 'help' | 'plus' | 'edit' | 'clock'
  | 'user' | 'key' | 'link' | 'bold' | 'italic' | 'underline' | 'list' | 'listol' | 'quote' |
  'filter' | 'all' | 'box' | 'minus' | 'expand' | 'eye' | 'palette' | 'server' | 'device' |
  'refresh' | 'brand';

export function Icon({ name, filled, class: extra }: { name: IconName; filled?: boolean; class?: string }) {
  return (
    <svg class={`icon${filled ? ' icon-filled' : ''}${extra ? ' ' + extra : ''}`} aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  );
}
