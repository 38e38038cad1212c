/* QR codes (ISO/IEC 18004), drawn as SVG. */
#ifndef DEPESCHE_WEB_QR_H
#define DEPESCHE_WEB_QR_H

#include "base/buf.h"

/* Black on white with the quiet zone of four modules, one path, no size of its own. ERR_INPUT: the
 * text is too long for a code (about 2,300 bytes), or empty. */
must_use enum error qr_svg(struct slice text, struct buf *out);

#endif
