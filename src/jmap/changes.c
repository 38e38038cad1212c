/* The answer of a standard /changes; see changes.h. */
#include "jmap/changes.h"

bool jmap_changes_room(struct jmap_call *c, size_t n, struct jmap_changes *ch)
{
    struct jmap_numbers *const lists[] = {&ch->created, &ch->updated, &ch->destroyed};
    for (size_t i = 0; i < 3; i++) {
        lists[i]->v = arena_array(c->arena, n + 1, sizeof *lists[i]->v);
        lists[i]->n = 0;
    }
    if (ch->created.v == NULL || ch->updated.v == NULL || ch->destroyed.v == NULL)
        jmap_fail_error(c, ERR_LIMIT);
    return c->failed == NULL;
}

static void write_list(struct json_writer *w, const char *key, char letter,
                       const struct jmap_numbers *list)
{
    jw_key(w, key);
    jw_array(w);
    for (size_t i = 0; i < list->n; i++)
        jmap_id_write(w, letter, list->v[i]);
    jw_end(w);
}

void jmap_changes_write(struct jmap_call *c, const struct jmap_changes *ch)
{
    struct json_writer *w = c->out;
    if (ch->created.n + ch->updated.n + ch->destroyed.n > ch->most) {
        jmap_fail(c, "cannotCalculateChanges", "more than maxChanges");
        return;
    }
    jmap_answer(c);
    jw_key(w, "oldState");
    jw_text(w, ch->since);
    jw_key(w, "newState");
    jw_text(w, ch->now);
    jw_key(w, "hasMoreChanges");
    jw_bool(w, false);
    write_list(w, "created", ch->letter, &ch->created);
    write_list(w, "updated", ch->letter, &ch->updated);
    write_list(w, "destroyed", ch->letter, &ch->destroyed);
    jw_end(w);
}

void jmap_number_print(uint64_t state, char out[JMAP_STATE_TEXT])
{
    snprintf(out, JMAP_STATE_TEXT, "%llu", (unsigned long long)state);
}

bool jmap_number_since(struct jmap_call *c, uint64_t now, uint64_t *since)
{
    struct slice text = SLICE_NONE;
    if (!jmap_arg_text(c, "sinceState", &text))
        return false;
    if (text.p == NULL)
        jmap_fail(c, "invalidArguments", "sinceState must be given");
    else if (parse_u64(text, now, since) != OK)
        jmap_fail(c, "cannotCalculateChanges", NULL);
    return c->failed == NULL;
}
