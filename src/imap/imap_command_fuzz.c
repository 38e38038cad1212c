/* Fuzzes whole commands: the reader, the lexer and every command's arguments. The first byte says
 * how the session would read names and how small the pieces are. */
#include "imap/reader.h"
#include "imap/session.h"

enum { LITERAL_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(struct reader *r, struct arena *a, bool utf8)
{
    struct imap_text text = reader_text(r);
    struct imap_lexer l;
    lex_init(&l, a, &text);
    l.utf8 = utf8;
    struct slice tag;
    const struct imap_command *command;
    void *args;
    enum error e = imap_command_parse(&l, &tag, &command, &args);
    if (e == OK && (!command || !tag.n))
        bug("a command without a name");
    if (e != OK && !l.why && !a->failed)
        bug("an error without a reason");
    arena_reset(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool utf8 = data[0] & 1;
    size_t step = data[0] & 2 ? 1 : size;
    struct slice stream = slice_of(data + 1, size - 1);
    struct arena a;
    arena_init(&a, LIMIT_IMAP_ARENA);
    struct reader r;
    reader_init(&r);
    for (size_t at = 0; at < stream.n; at += step) {
        struct slice in = slice_sub(stream, at, at + step);
        while (in.n) {
            switch (reader_feed(&r, &in)) {
            case READER_MORE:
                break;
            case READER_LITERAL:
                reader_text(&r);
                if (r.asked <= LITERAL_MAX)
                    reader_accept(&r);
                else
                    reader_next(&r);
                break;
            case READER_TOO_LONG:
                reader_next(&r);
                break;
            case READER_COMMAND:
                parse(&r, &a, utf8);
                reader_next(&r);
                break;
            }
        }
    }
    reader_free(&r);
    arena_free(&a);
    return 0;
}
