/* Decodes any bytes as header text, and encodes them. What must hold: what comes out is UTF-8,
 * what is encoded is ASCII in short lines, and decoding gives the text back. */
#include "base/utf8.h"
#include "message/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_encoded(struct slice encoded)
{
    struct slice line;
    for (bool first = true; slice_line(&encoded, &line); first = false) {
        if (!first && (line.n == 0 || line.p[0] != ' '))
            bug("a line is no continuation");
        for (size_t i = 0; i < line.n; i++)
            if (line.p[i] < ' ' || line.p[i] > '~')
                bug("byte %d in a header", line.p[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    autoarena a;
    arena_init(&a, (size_t)1 << 30);
    struct slice text = header_text(&a, in);
    if (!utf8_valid(text))
        bug("header_text is not UTF-8");
    bool reply;
    if (!utf8_valid(header_base_subject(&a, text, &reply)))
        bug("the base subject is not UTF-8");
    autobuf encoded, back;
    buf_init(&encoded, size * 64 + 1024);
    header_encode_words(in, 9, &encoded);
    if (encoded.failed)
        bug("%zu bytes become %zu", size, encoded.n);
    check_encoded(buf_slice(&encoded));
    buf_init(&back, size * 8 + 1024);
    header_decode_words(header_unfold(&a, buf_slice(&encoded)), &back);
    /* Control characters became blanks, malformed bytes U+FFFD: a second turn changes nothing, but
     * for the blanks around it. */
    struct slice once = slice_trim(arena_dup(&a, buf_slice(&back)));
    buf_reset(&encoded);
    buf_reset(&back);
    header_encode_words(once, 9, &encoded);
    header_decode_words(header_unfold(&a, buf_slice(&encoded)), &back);
    if (!slice_eq(once, slice_trim(buf_slice(&back))))
        bug("a second turn changes the text");
    return 0;
}
