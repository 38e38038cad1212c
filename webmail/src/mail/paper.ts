// The style inside the frame in which a mail is shown: white paper, whatever the theme.

export const PAPER = `
html {
  color-scheme: light;
  background: #fff;
  color: #1d2321;
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif;
  overflow-wrap: anywhere;
}
body {
  margin: 0;
  padding: 16px 20px 20px;
}
img {
  max-width: 100%;
}
img:not([height]),
img[width] {
  height: auto;
}
a {
  color: #1f5f9c;
}
img:not([src]) {
  display: inline-block;
  padding: 6px 10px;
  border: 1px dashed #c9c3b8;
  color: #656d69;
  font-size: 13px;
}
pre {
  white-space: pre-wrap;
}
blockquote {
  margin: 0.5em 0 0.5em 0.2em;
  padding-left: 0.9em;
  border-left: 3px solid #dcd8d0;
}
table {
  max-width: 100%;
}
`;
