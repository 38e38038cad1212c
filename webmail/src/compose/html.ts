// The HTML that is written: what comes into the editor is cleaned as strictly as what is read, and
// what goes out names its pictures by cid:. The page's policy forbids style in markup, so that style
// is set through the CSSOM.

import DOMPurify from 'dompurify';
import { LINK } from '../mail/html.ts';
import { cleanDeclarations } from '../mail/style.ts';
import { linkify } from '../mail/text.ts';

const TAGS = [
  'a', 'abbr', 'b', 'bdi', 'big', 'blockquote', 'br', 'caption', 'center', 'code', 'col', 'colgroup', 'dd', 'del',
  'div', 'dl', 'dt', 'em', 'font', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'img', 'ins', 'li', 'ol',
  'p', 'pre', 'q', 's', 'small', 'span', 'strike', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'tfoot',
  'th', 'thead', 'tr', 'tt', 'u', 'ul',
];
const ATTRIBUTES = [
  'align', 'alt', 'bgcolor', 'border', 'cellpadding', 'cellspacing', 'class', 'color', 'colspan', 'dir', 'face',
  'height', 'href', 'lang', 'rowspan', 'size', 'src', 'start', 'style', 'title', 'type', 'valign', 'width',
  'data-cid', 'data-src', 'data-style',
];
const PICTURE = /^data:image\/(?:png|gif|jpe?g|webp);base64,[a-z0-9+/=\s]*$/i;

/** Where the picture with this cid is shown from, or null when it is none of this message's. */
export type Pictures = (cid: string) => string | null;

// Only so that the page's policy has nothing to complain of while the markup is parsed: style is set
// aside, what would be refused anyway is renamed. What is safe is decided by the cleaning.
function quieten(html: string): string {
  return html
    .replace(/<style\b[^>]*>[\s\S]*?(?:<\/style\s*>|$)/gi, '')
    .replace(/<base\b/gi, '<i')
    .replace(/<[a-z][^>]*>/gi, (tag) =>
      tag.replace(/(\s)style(\s*=)/gi, '$1data-style$2').replace(/([\s/"'])on[a-z]+(\s*=)/gi, '$1data-off$2'),
    );
}

/** Applies the style that was set aside. */
export function showStyle(root: ParentNode): void {
  for (const el of root.querySelectorAll<HTMLElement>('[data-style]')) {
    el.style.cssText = cleanDeclarations(el.dataset.style ?? '');
    delete el.dataset.style;
  }
}

/** Markup with the style set aside, for where it is parsed again. */
export function htmlWithoutStyle(root: Element): string {
  const copy = inert(root);
  for (const el of copy.querySelectorAll('[style]')) {
    el.setAttribute('data-style', el.getAttribute('style')!);
    el.removeAttribute('style');
  }
  return copy.innerHTML;
}

/** A copy in a document that loads nothing. */
function inert(root: Element): Element {
  const doc = document.implementation.createHTMLDocument('');
  return doc.importNode(root, true);
}

export function cleanForEditor(html: string, pictures: Pictures): DocumentFragment {
  const purify = DOMPurify(window);
  purify.addHook('uponSanitizeAttribute', (node, data) => {
    const { attrName: name, attrValue: value } = data;
    if (name === 'data-style') {
      data.attrValue = cleanDeclarations(value);
      data.keepAttr = data.attrValue !== '';
    } else if (name === 'href') data.keepAttr = node.nodeName === 'A' && LINK.test(value.trim());
    else if (name === 'class') data.keepAttr = value === 'signature' || value === 'attribution';
    else if (name === 'type') data.keepAttr = node.nodeName === 'BLOCKQUOTE' && value === 'cite';
    else if (name === 'src' || name === 'data-src' || name === 'data-cid') data.keepAttr = node.nodeName === 'IMG';
    else if (name === 'style') data.keepAttr = false;
  });
  purify.addHook('afterSanitizeAttributes', (node) => {
    if (node.nodeName === 'IMG') picture(node as Element, pictures);
  });
  const fragment = purify.sanitize(quieten(html), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOW_UNKNOWN_PROTOCOLS: true, // the hooks decide, more strictly
    ALLOWED_URI_REGEXP: /^/,
    FORBID_CONTENTS: ['head', 'style', 'script', 'title'],
    RETURN_DOM_FRAGMENT: true,
  });
  purify.removeAllHooks();
  const own = document.importNode(fragment, true);
  showStyle(own);
  return own;
}

// A picture of the message is shown from where it lies; one from the internet is not loaded while
// writing, but stays in what is sent.
function picture(img: Element, pictures: Pictures): void {
  const src = (img.getAttribute('src') ?? '').trim();
  const cid = /^cid:/i.test(src) ? decode(src.slice(4)) : img.getAttribute('data-cid');
  const remote = img.getAttribute('data-src') ?? (/^https?:\/\//i.test(src) ? src : null);
  img.removeAttribute('src');
  img.removeAttribute('data-cid');
  img.removeAttribute('data-src');
  const shown = cid ? pictures(cid) : null;
  // Of no size: it is there to tell somebody that the message was read.
  const tiny = ['width', 'height'].every((n) => Number.parseInt(img.getAttribute(n) ?? '9', 10) <= 2);
  if (cid && shown) {
    img.setAttribute('data-cid', cid);
    img.setAttribute('src', shown);
  } else if (remote && !tiny && /^https?:\/\//i.test(remote)) img.setAttribute('data-src', remote);
  else if (PICTURE.test(src)) img.setAttribute('src', src);
  else img.remove();
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

/** Cleaned markup, to be put into other markup. */
export function cleanMarkup(html: string, pictures: Pictures): string {
  const box = document.implementation.createHTMLDocument('').createElement('div');
  box.append(box.ownerDocument.importNode(cleanForEditor(html, pictures), true));
  return htmlWithoutStyle(box);
}

export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/** The editor's content as it is sent, and the cids of the pictures in it. */
export function mailHtml(root: Element): { html: string; cids: Set<string> } {
  const copy = inert(root);
  showStyle(copy);
  const cids = new Set<string>();
  for (const img of copy.querySelectorAll('img')) {
    const { cid, src } = img.dataset;
    if (cid) {
      cids.add(cid);
      img.setAttribute('src', `cid:${encodeURIComponent(cid).replaceAll('%40', '@')}`);
    } else if (src) img.setAttribute('src', src);
    img.removeAttribute('data-cid');
    img.removeAttribute('data-src');
    img.removeAttribute('tabindex');
  }
  for (const el of copy.querySelectorAll('[style=""]')) el.removeAttribute('style');
  return { html: copy.innerHTML.replace(/\u200b/g, ''), cids };
}

export function wholeHtml(body: string): string {
  return `<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>${body}</body></html>`;
}

// --- To plain text ---

const BLOCKS = new Set([
  'ADDRESS', 'BLOCKQUOTE', 'CENTER', 'DD', 'DIV', 'DL', 'DT', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'HR', 'LI', 'OL', 'P',
  'PRE', 'TABLE', 'TR', 'UL',
]);
const SPACED = new Set(['P', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'UL', 'OL', 'PRE', 'TABLE']);
const MOST_DEPTH = 200;

/** Plain text of markup: quotes behind "> ", lists with their marks, links with their addresses. */
export function toText(root: Node): string {
  const lines: string[] = [];
  let line = '';
  let open = false; // has the line begun?
  let gap = false;
  const flush = (prefix: string) => {
    if (!open) return;
    const blank = /^[> ]*$/.test(lines.at(-1) ?? '');
    if (gap && !blank && line.trim() !== '') lines.push(prefix.trimEnd());
    gap = false;
    lines.push(line === '-- ' ? prefix + line : (prefix + line).trimEnd());
    line = '';
    open = false;
  };
  const walk = (node: Node, prefix: string, pre: boolean, depth: number): void => {
    if (depth > MOST_DEPTH) return;
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) {
        const text = (child.nodeValue ?? '').replace(/[\u200b\ufeff]/g, '').replace(/\u00a0/g, pre ? ' ' : '\u00a0');
        if (pre) {
          text.split('\n').forEach((part, i) => {
            if (i) {
              open = true;
              flush(prefix);
            }
            line += part;
            if (part) open = true;
          });
        } else {
          let part = text.replace(/[ \t\r\n]+/g, ' ');
          if (!open || line.endsWith(' ')) part = part.replace(/^ /, '');
          line += part.replace(/\u00a0/g, ' ');
          if (part) open = true;
        }
        continue;
      }
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const el = child as HTMLElement;
      const name = el.tagName;
      if (name === 'BR') {
        open = true;
        flush(prefix);
      } else if (name === 'IMG') {
        const alt = el.getAttribute('alt');
        if (alt) {
          line += `[${alt}]`;
          open = true;
        }
      } else if (name === 'A') {
        const start = line.length;
        walk(el, prefix, pre, depth + 1);
        const url = el.getAttribute('href') ?? '';
        const said = line.slice(start).trim();
        const bare = url.replace(/^mailto:/i, '');
        if (bare && said !== bare && said !== url && !bare.endsWith(`//${said}`) && !bare.endsWith(`//${said}/`)) {
          line += ` <${bare}>`;
          open = true;
        }
      } else if (name === 'HR') {
        flush(prefix);
        line = '----------------';
        open = true;
        flush(prefix);
      } else if (name === 'TD' || name === 'TH') {
        if (open && !line.endsWith(' ')) line += '  ';
        walk(el, prefix, pre, depth + 1);
      } else if (BLOCKS.has(name)) {
        flush(prefix);
        const leads = el.parentElement?.tagName === 'BLOCKQUOTE' && el.parentElement.firstElementChild === el;
        if (SPACED.has(name) && !leads) gap = true;
        if (name === 'LI') {
          const ordered = el.parentElement?.tagName === 'OL';
          const number = [...(el.parentElement?.children ?? [])].indexOf(el) + 1;
          line = ordered ? `${number}. ` : '* ';
          open = true;
          gap = false;
          walk(el, prefix, pre, depth + 1);
          flush(prefix);
        } else {
          const inner = name === 'BLOCKQUOTE' ? `${prefix.trimEnd()}> ` : prefix;
          walk(el, inner, pre || name === 'PRE', depth + 1);
          flush(inner);
        }
        if (SPACED.has(name)) gap = true;
      } else walk(el, prefix, pre, depth + 1);
    }
  };
  walk(root, '', false, 0);
  flush('');
  return lines.join('\n').replace(/\s+$/, '');
}

// --- From plain text ---

function lineHtml(line: string): string {
  if (line === '') return '<br>';
  return linkify(line)
    .map((p) => ('url' in p ? `<a href="${escapeHtml(p.url)}">${escapeHtml(p.text)}</a>` : escapeHtml(p.text)))
    .join('')
    .replace(/ {2}/g, '&nbsp; ')
    .replace(/^ /, '&nbsp;');
}

/** Markup of plain text: a block for each line, nested quotes for "> ". */
export function toHtml(text: string): string {
  let out = '';
  let level = 0;
  for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
    const mark = /^(?:> ?)+/.exec(line)?.[0] ?? '';
    const wanted = Math.min(mark.replaceAll(' ', '').length, 20);
    for (; level < wanted; level++) out += '<blockquote type="cite">';
    for (; level > wanted; level--) out += '</blockquote>';
    out += `<div>${lineHtml(line.slice(mark.length))}</div>`;
  }
  return out + '</blockquote>'.repeat(level);
}
