// The editor for formatted text: Squire, with our cleaning in front of it and a toolbar above.

import Squire from 'squire-rte';
import { useEffect, useRef, useState } from 'preact/hooks';
import { prompt } from '../ui/dialog.tsx';
import { IconButton } from '../ui/button.tsx';
import type { IconName } from '../ui/icon.tsx';
import { cleanForEditor, htmlWithoutStyle, mailHtml, showStyle, toText } from './html.ts';
import type { Pictures } from './html.ts';
import type { Draft } from './model.ts';
import { c } from './words.ts';

type Raw = {
  _getRawHTML(): string;
  _setRawHTML(html: string): Squire;
  _imageResizer: { handleEvent(e: Event): void };
};

// The page's policy forbids style in markup: it is set aside where the editor keeps markup (undo).
function makeEditor(root: HTMLElement, pictures: Pictures): Squire {
  const editor = new Squire(root, {
    blockTag: 'DIV',
    tagAttributes: { blockquote: { type: 'cite' } },
    addLinks: true,
    sanitizeToDOMFragment: (html) => cleanForEditor(html, pictures),
  });
  const raw = editor as unknown as Raw;
  const set = raw._setRawHTML.bind(editor);
  raw._getRawHTML = () => htmlWithoutStyle(root);
  raw._setRawHTML = (html) => {
    set(html);
    showStyle(root);
    return editor;
  };
  raw._imageResizer.handleEvent = () => undefined; // its handles need style in markup
  // Ctrl+D and the like stay the browser's; Ctrl+Enter is the window's.
  editor.setKeyHandler('Ctrl-d', null);
  editor.setKeyHandler('Meta-d', null);
  return editor;
}

interface Tool {
  icon: IconName;
  label: string;
  key: string;
  is?: () => boolean;
  run: () => void;
}

function Toolbar({ editor, onPicture }: { editor: Squire; onPicture?: () => void }) {
  const [, redraw] = useState(0);
  const [at, setAt] = useState(0);
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const changed = () => redraw((n) => n + 1);
    editor.addEventListener('pathChange', changed);
    editor.addEventListener('select', changed);
    return () => {
      editor.removeEventListener('pathChange', changed);
      editor.removeEventListener('select', changed);
    };
  }, [editor]);
  const has = (tag: string) => editor.hasFormat(tag);
  const link = async () => {
    const range = editor.getSelection();
    const value = await prompt({ title: c('link.title'), label: c('link.address'), value: 'https://', confirm: c('link.set') });
    editor.focus();
    editor.setSelection(range);
    if (!value || value === 'https://') return;
    const url = /^(?:https?:\/\/|mailto:|tel:)/i.test(value) ? value : value.includes('@') ? `mailto:${value}` : `https://${value}`;
    editor.makeLink(url);
  };
  const tools: Tool[] = [
    { icon: 'bold', label: c('tool.bold'), key: 'Ctrl+B', is: () => has('B'), run: () => void (has('B') ? editor.removeBold() : editor.bold()) },
    { icon: 'italic', label: c('tool.italic'), key: 'Ctrl+I', is: () => has('I'), run: () => void (has('I') ? editor.removeItalic() : editor.italic()) },
    { icon: 'underline', label: c('tool.underline'), key: 'Ctrl+U', is: () => has('U'), run: () => void (has('U') ? editor.removeUnderline() : editor.underline()) },
    { icon: 'list', label: c('tool.list'), key: 'Ctrl+Shift+8', is: () => has('UL'), run: () => void (has('UL') ? editor.removeList() : editor.makeUnorderedList()) },
    { icon: 'listol', label: c('tool.numbers'), key: 'Ctrl+Shift+9', is: () => has('OL'), run: () => void (has('OL') ? editor.removeList() : editor.makeOrderedList()) },
    { icon: 'quote', label: c('tool.quote'), key: 'Ctrl+]', is: () => has('BLOCKQUOTE'), run: () => void (has('BLOCKQUOTE') ? editor.decreaseQuoteLevel() : editor.increaseQuoteLevel()) },
    { icon: 'link', label: c('tool.link'), key: 'Ctrl+K', is: () => has('A'), run: () => void (has('A') ? editor.removeLink() : link()) },
    ...(onPicture ? [{ icon: 'image' as const, label: c('tool.image'), key: '', run: onPicture }] : []),
    { icon: 'minus', label: c('tool.clear'), key: '', run: () => void editor.removeAllFormatting() },
  ];
  useEffect(() => {
    const run = (_: Squire, e: KeyboardEvent) => {
      e.preventDefault();
      void link();
    };
    editor.setKeyHandler('Ctrl-k', run);
    editor.setKeyHandler('Meta-k', run);
  }, [editor]);
  return (
    <div
      ref={bar}
      class="tools"
      role="toolbar"
      aria-label={c('tool.bar')}
      onMouseDown={(e) => e.preventDefault()}
      onKeyDown={(e) => {
        const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
        if (!step) return;
        e.preventDefault();
        const next = (at + step + tools.length) % tools.length;
        setAt(next);
        bar.current!.querySelectorAll('button')[next]?.focus();
      }}
    >
      {tools.map((x, i) => (
        <IconButton
          key={x.icon}
          icon={x.icon}
          label={x.label}
          shortcut={x.key || undefined}
          pressed={x.is?.()}
          tabIndex={i === at ? 0 : -1}
          onClick={x.run}
        />
      ))}
    </div>
  );
}

export interface EditorProps {
  draft: Draft;
  /** Pictures that were pasted or chosen for the text. */
  onPictures: (files: File[], insert: (url: string, cid: string, name: string) => void) => void;
}

// Text that brings colours of its own is shown on white, as it will be read.
const COLOURED = /bgcolor|<font[^>]*color|data-style="[^"]*(?:color|background)/i;

export function RichEditor({ draft, onPictures }: EditorProps) {
  const root = useRef<HTMLDivElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [editor, setEditor] = useState<Squire | null>(null);
  const paper = useRef(COLOURED.test(draft.html));

  useEffect(() => {
    const el = root.current!;
    const e = makeEditor(el, draft.picture);
    e.setHTML(draft.html || '<div><br></div>');
    draft.root = el;
    draft.focusBody = () => {
      e.focus();
      e.moveCursorToStart();
    };
    el.scrollTop = 0;
    const changed = () => draft.changed();
    e.addEventListener('input', changed);
    const insert = (url: string, cid: string, name: string) => {
      e.insertImage(url, { 'data-cid': cid, alt: name });
      draft.changed();
    };
    const picture = (event: Event) => {
      const data = (event as CustomEvent<{ clipboardData: DataTransfer }>).detail?.clipboardData;
      const files = [...(data?.files ?? [])].filter((f) => f.type.startsWith('image/'));
      if (files.length) onPictures(files, insert);
    };
    e.addEventListener('pasteImage', picture);
    setEditor(e);
    return () => {
      draft.html = htmlWithoutStyle(el);
      draft.root = null;
      draft.focusBody = null;
      e.destroy();
    };
  }, []);

  return (
    <>
      <div
        ref={root}
        class={`editor${paper.current ? ' paper' : ''}`}
        role="textbox"
        aria-multiline="true"
        aria-label={c('body')}
        contentEditable
        spellcheck
      />
      {editor && <Toolbar editor={editor} onPicture={() => chooser.current!.click()} />}
      <input
        ref={chooser}
        type="file"
        accept="image/*"
        multiple
        hidden
        onChange={(e) => {
          const files = [...(e.currentTarget.files ?? [])];
          e.currentTarget.value = '';
          onPictures(files, (url, cid, name) => {
            editor?.insertImage(url, { 'data-cid': cid, alt: name });
            draft.changed();
          });
        }}
      />
    </>
  );
}

/** A small editor for markup without pictures: signatures. */
export function MarkupField({ html, label, onChange }: { html: string; label: string; onChange: (html: string, text: string) => void }) {
  const root = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Squire | null>(null);
  useEffect(() => {
    const el = root.current!;
    const e = makeEditor(el, () => null);
    e.setHTML(html || '<div><br></div>');
    e.addEventListener('input', () => onChange(mailHtml(el).html, toText(el)));
    setEditor(e);
    return () => e.destroy();
  }, []);
  return (
    <div class="markup-field">
      <div ref={root} class="editor" role="textbox" aria-multiline="true" aria-label={label} contentEditable spellcheck />
      {editor && <Toolbar editor={editor} />}
    </div>
  );
}
