// Makes the HTML of a mail harmless: DOMPurify with a short list of what may stay, then our own rules
// for addresses and style. The result is shown in a frame that runs no scripts and loads nothing from
// elsewhere; neither relies on the other.

import DOMPurify from 'dompurify';
import { cleanDeclarations, cleanSheet } from './style.ts';

const TAGS = [
  'html', 'head', 'body', 'a', 'abbr', 'acronym', 'address', 'article', 'aside', 'b', 'bdi', 'bdo', 'big',
  'blockquote', 'br', 'caption', 'center', 'cite', 'code', 'col', 'colgroup', 'dd', 'del', 'dfn', 'div',
  'dl', 'dt', 'em', 'figcaption', 'figure', 'font', 'footer', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6',
  'header', 'hr', 'i', 'img', 'ins', 'kbd', 'li', 'main', 'mark', 'nav', 'ol', 'p', 'pre', 'q', 's',
  'samp', 'section', 'small', 'span', 'strike', 'strong', 'style', 'sub', 'sup', 'table', 'tbody', 'td',
  'tfoot', 'th', 'thead', 'time', 'tr', 'tt', 'u', 'ul', 'var', 'wbr',
];
const ATTRIBUTES = [
  'align', 'alt', 'bgcolor', 'border', 'cellpadding', 'cellspacing', 'class', 'color', 'colspan',
  'datetime', 'dir', 'face', 'height', 'href', 'hspace', 'id', 'lang', 'media', 'noshade', 'nowrap', 'rowspan',
  'scope', 'size', 'span', 'src', 'start', 'style', 'title', 'type', 'valign', 'value', 'vspace', 'width',
];

export const LINK = /^(?:https?:\/\/|mailto:|tel:)/i;
const PICTURE = /^data:image\/(?:png|gif|jpe?g|webp|bmp|avif);base64,[a-z0-9+/=\s]*$/i;

export interface CleanOptions {
  /** The frame's window: its policy lets inline style be read, which that of the page forbids. */
  view: Window;
  /** Where a cid: picture lies, or null. */
  cid: (id: string) => string | null;
  /** May pictures be loaded from the internet? */
  remote: boolean;
}

export interface CleanHtml {
  /** For the frame's body. */
  html: string;
  /** The mail's own <body>: colour and style. */
  bodyStyle: string;
  /** Pictures that were not loaded. */
  blocked: number;
}

/** A picture of no size is there to tell the sender that it was read: it is never loaded. */
function isTracker(img: Element): boolean {
  const tiny = (name: string) => {
    const v = img.getAttribute(name);
    return v !== null && Number.parseInt(v, 10) <= 2;
  };
  return tiny('width') && tiny('height');
}

/** As browsers read it: without control characters and white space around. */
function address(value: string): string {
  // eslint-disable-next-line no-control-regex
  return value.replace(/[\u0000-\u0020\u00a0\u00ad\u200b-\u200f\u2028-\u202e\ufeff]+/g, (s) => (s === ' ' ? ' ' : '')).trim();
}

export function cleanHtml(html: string, options: CleanOptions): CleanHtml {
  const purify = DOMPurify(options.view as unknown as typeof window);
  if (!purify.isSupported) throw new Error('this browser cannot clean HTML');
  let blocked = 0;

  purify.addHook('uponSanitizeElement', (node, data) => {
    if (data.tagName === 'style') node.textContent = cleanSheet(node.textContent ?? '');
  });
  purify.addHook('uponSanitizeAttribute', (node, data) => {
    const name = data.attrName;
    if (name === 'style') {
      data.attrValue = cleanDeclarations(data.attrValue);
      data.keepAttr = data.attrValue !== '';
    } else if (name === 'href') {
      const url = address(data.attrValue);
      data.keepAttr = node.nodeName === 'A' && LINK.test(url);
      data.attrValue = url;
    } else if (name === 'src') {
      data.keepAttr = node.nodeName === 'IMG' && picture(node, data);
    } else if (name === 'media' || name === 'type') {
      if (node.nodeName === 'STYLE') data.keepAttr = /^[\w\s():,.\-/]*$/.test(data.attrValue);
    } else if (/[\u0000-\u0008\u000e-\u001f]/.test(data.attrValue)) data.keepAttr = false;
  });

  function picture(img: Element, data: { attrValue: string }): boolean {
    const url = address(data.attrValue);
    if (/^cid:/i.test(url)) {
      let id = url.slice(4);
      try {
        id = decodeURIComponent(id);
      } catch {
        // as it stands
      }
      data.attrValue = options.cid(id) ?? '';
      return data.attrValue !== '';
    }
    if (PICTURE.test(url)) {
      data.attrValue = url;
      return true;
    }
    const remote = url.replace(/^\/\//, 'https://');
    if (!/^https?:\/\//i.test(remote) || isTracker(img)) return false;
    if (!options.remote) {
      blocked++;
      return false;
    }
    data.attrValue = remote.replace(/^http:/i, 'https:');
    return true;
  }

  const root = purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOW_UNKNOWN_PROTOCOLS: true, // the hook decides, more strictly
    ALLOWED_URI_REGEXP: /^/,
    SANITIZE_NAMED_PROPS: true,
    WHOLE_DOCUMENT: true,
    FORCE_BODY: false,
    RETURN_DOM: true,
  }) as HTMLElement;
  purify.removeAllHooks();

  const body = root.querySelector('body') ?? root;
  const colour = body.getAttribute('bgcolor');
  const style = [
    colour && /^#?\w{1,30}$/.test(colour) ? `background-color: ${colour}` : '',
    body.getAttribute('style') ?? '',
  ];
  for (const a of root.querySelectorAll('a[href]')) {
    a.setAttribute('target', '_blank');
    a.setAttribute('rel', 'noopener noreferrer nofollow');
  }
  for (const img of root.querySelectorAll('img')) {
    if (!img.hasAttribute('src') && !img.getAttribute('alt')) img.remove();
    else img.setAttribute('loading', 'lazy');
  }
  const sheets = [...root.querySelectorAll('head style')].map((s) => s.outerHTML).join('');
  return { html: sheets + body.innerHTML, bodyStyle: style.filter(Boolean).join('; '), blocked };
}
