/* The table of commands, and a command's way from bytes to arguments. */
#include "imap/session.h"

static const struct imap_command_table *const tables[] = {
    &imap_fetch_commands, &imap_store_commands,   &imap_search_commands, &imap_append_commands,
    &imap_copy_commands,  &imap_session_commands, &imap_select_commands, &imap_mailbox_commands,
    &imap_list_commands,  &imap_status_commands,  &imap_idle_commands,   &imap_quota_commands,
};

const struct imap_command *imap_command_find(struct slice name, bool uid)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (size_t i = 0; i < tables[t]->n; i++) {
            const struct imap_command *c = &tables[t]->command[i];
            bool fits = uid ? (c->flags & (IMAP_CMD_UID | IMAP_CMD_UID_ONLY)) != 0
                            : (c->flags & IMAP_CMD_UID_ONLY) == 0;
            if (fits && slice_ieq(name, slice_str(c->name)))
                return c;
        }
    }
    return NULL;
}

enum error imap_command_parse(struct imap_lexer *l, struct slice *tag,
                              const struct imap_command **command, void **args)
{
    *tag = SLICE_NONE;
    *command = NULL;
    *args = NULL;
    struct slice t = lex_tag(l);
    lex_sp(l);
    if (!lex_ok(l))
        return l->error;
    *tag = t;
    l->uid = lex_word(l, "UID");
    if (l->uid)
        lex_sp(l);
    struct slice name = lex_name(l);
    if (!lex_ok(l))
        return l->error;
    *command = imap_command_find(name, l->uid);
    if (!*command) {
        lex_fail(l, "Unknown command");
        return l->error;
    }
    return (*command)->parse ? (*command)->parse(l, args) : lex_end(l);
}
