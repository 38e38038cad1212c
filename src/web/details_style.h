/* The style sheet of the page at "/". Light and dark, from a phone to a wide window; no file, no
 * font and no image of anybody else's. */
#ifndef DEPESCHE_WEB_DETAILS_STYLE_H
#define DEPESCHE_WEB_DETAILS_STYLE_H

#define DETAILS_STYLE                                                                              \
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#d9dee6;--paper:#fff;"      \
    "--ground:#f4f6f9;--accent:#1f5fbf}"                                                           \
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa7b8;--line:#2f3947;"         \
    "--paper:#1a212b;--ground:#12171e;--accent:#7fb0ff}}"                                          \
    "*{box-sizing:border-box}"                                                                     \
    "body{margin:0;background:var(--ground);color:var(--ink);"                                     \
    "font:16px/1.6 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"                          \
    "header,main{max-width:52rem;margin:0 auto;padding:0 1.25rem}"                                 \
    "header{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;"         \
    "gap:1rem;padding-top:2rem;padding-bottom:1rem}"                                               \
    "h1{font-size:1.6rem;margin:0;letter-spacing:-.01em}"                                          \
    "h2{font-size:1.15rem;margin:0 0 .6rem}"                                                       \
    "nav{display:flex;gap:1rem;align-items:center}"                                                \
    "a{color:var(--accent)}"                                                                       \
    ".button,button{background:var(--accent);color:var(--paper);border:0;border-radius:.5rem;"     \
    "padding:.5rem 1rem;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}"         \
    ":focus-visible{outline:3px solid var(--accent);outline-offset:2px}"                           \
    "section{background:var(--paper);border:1px solid var(--line);border-radius:.75rem;"           \
    "padding:1.25rem 1.5rem;margin:0 0 1.25rem}"                                                   \
    "p{margin:.4rem 0}"                                                                            \
    ".wide{overflow-x:auto}"                                                                       \
    "table{border-collapse:collapse;width:100%;margin:.6rem 0}"                                    \
    "th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line);"     \
    "white-space:nowrap}"                                                                          \
    "thead th{color:var(--soft);font-weight:500;font-size:.9rem}"                                  \
    "tbody th{font-weight:500}"                                                                    \
    "code{font:.95em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"                        \
    ".hash{overflow-wrap:anywhere}"                                                                \
    "dl{margin:.6rem 0 0;display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem}"     \
    "dt{color:var(--soft)}dd{margin:0}"                                                            \
    "form{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;margin:.8rem 0}"                  \
    "input{display:block;font:inherit;padding:.45rem .6rem;border:1px solid var(--soft);"          \
    "border-radius:.5rem;background:var(--paper);color:var(--ink);min-width:16rem}"                \
    ".code{background:#fff;border-radius:.5rem;margin-top:.5rem}"                                  \
    "@media(max-width:36rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}"           \
    "section{padding:1rem}input{min-width:0;width:100%}}"

#endif
