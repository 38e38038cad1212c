/* QR codes; see qr.h. */
#include "web/qr.h"

#include <qrencode.h>

#define QUIET 4

static void draw(const QRcode *q, struct buf *out)
{
    int side = q->width + 2 * QUIET;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
               "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
               side, side, side, side);
    for (int y = 0; y < q->width; y++)
        for (int x = 0; x < q->width; x++)
            if (q->data[y * q->width + x] & 1)
                buf_printf(out, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
    buf_lit(out, "\"/></svg>\n");
}

enum error qr_svg(struct slice text, struct buf *out)
{
    if (text.n == 0 || text.n > 2300)
        return ERR_INPUT;
    QRcode *q = QRcode_encodeData((int)text.n, text.p, 0, QR_ECLEVEL_M);
    if (!q)
        return ERR_INPUT;
    draw(q, out);
    QRcode_free(q);
    return buf_check(out);
}
