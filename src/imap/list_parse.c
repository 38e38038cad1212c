/* Arguments of LIST, with its extended forms (RFC 5258, RFC 5819, RFC 6154), and of LSUB. */
#include "imap/list_parse.h"
#include "imap/status.h"

static void parse_selection(struct imap_lexer *l, struct list_args *a)
{
    if (lex_close(l))
        return;
    bool base = false;
    do {
        if (lex_word(l, "SUBSCRIBED"))
            a->subscribed = base = true;
        else if (lex_word(l, "SPECIAL-USE"))
            a->special_use = base = true;
        else if (lex_word(l, "RECURSIVEMATCH"))
            a->recursive = true;
        else if (!lex_word(l, "REMOTE")) /* there are none: nothing more to list */
            lex_fail(l, "Unknown selection option");
    } while (lex_more(l));
    if (a->recursive && !base)
        lex_fail(l, "RECURSIVEMATCH needs another selection option");
}

static void parse_return(struct imap_lexer *l, struct list_args *a)
{
    lex_open_list(l);
    if (lex_close(l))
        return;
    do {
        if (lex_word(l, "SUBSCRIBED")) {
            a->return_subscribed = true;
        } else if (lex_word(l, "STATUS")) {
            lex_sp(l);
            status_parse_items(l, &a->status_items);
        } else if (!lex_word(l, "CHILDREN") && !lex_word(l, "SPECIAL-USE")) {
            /* These two are always returned. */
            lex_fail(l, "Unknown return option");
        }
    } while (lex_more(l));
}

static void parse_patterns(struct imap_lexer *l, struct list_args *a)
{
    if (!lex_open(l)) {
        a->pattern[a->n++] = lex_list_mailbox(l);
        return;
    }
    do {
        if (a->n == LIMIT_IMAP_LIST_PATTERNS)
            lex_limit(l, "Too many patterns");
        else
            a->pattern[a->n++] = lex_list_mailbox(l);
    } while (lex_more(l));
}

enum error list_parse(struct imap_lexer *l, void **out)
{
    struct list_args *a = arena_new(l->arena, struct list_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    lex_sp(l);
    if (lex_open(l)) {
        parse_selection(l, a);
        lex_sp(l);
    }
    a->reference = lex_list_mailbox(l);
    lex_sp(l);
    parse_patterns(l, a);
    if (lex_skip(l, ' ')) {
        if (!lex_word(l, "RETURN"))
            lex_fail(l, "Unexpected text after the pattern");
        lex_sp(l);
        parse_return(l, a);
    }
    return lex_end(l);
}

enum error lsub_parse(struct imap_lexer *l, void **out)
{
    struct list_args *a = arena_new(l->arena, struct list_args);
    if (!a)
        return ERR_LIMIT;
    *out = a;
    a->lsub = a->subscribed = a->recursive = true;
    lex_sp(l);
    a->reference = lex_list_mailbox(l);
    lex_sp(l);
    a->pattern[a->n++] = lex_list_mailbox(l);
    return lex_end(l);
}
