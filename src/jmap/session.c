/* The session resource (RFC 8620 2): what this server can do for whom, and where. */
#include "base/hash.h"
#include "jmap/request.h"

const char *const jmap_capabilities[] = {
    CAPABILITY_CORE, CAPABILITY_MAIL,  CAPABILITY_SUBMISSION, CAPABILITY_VACATION,
    CAPABILITY_BLOB, CAPABILITY_QUOTA, CAPABILITY_ACCOUNT,    NULL,
};

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
    jw_key(w, key);
    jw_uint(w, v);
}

static void put_str(struct json_writer *w, const char *key, const char *v)
{
    jw_key(w, key);
    jw_str(w, v);
}

static void put_list(struct json_writer *w, const char *key, const char *const *items)
{
    jw_key(w, key);
    jw_array(w);
    for (; *items != NULL; items++)
        jw_str(w, *items);
    jw_end(w);
}

static void empty(struct json_writer *w, const char *key)
{
    jw_key(w, key);
    jw_object(w);
    jw_end(w);
}

static void write_core(struct json_writer *w)
{
    static const char *const collations[] = {"i;ascii-casemap", "i;unicode-casemap", NULL};
    jw_key(w, CAPABILITY_CORE);
    jw_object(w);
    put_uint(w, "maxSizeUpload", LIMIT_JMAP_UPLOAD);
    put_uint(w, "maxConcurrentUpload", LIMIT_JMAP_CONCURRENT_UPLOAD);
    put_uint(w, "maxSizeRequest", LIMIT_JMAP_REQUEST);
    put_uint(w, "maxConcurrentRequests", LIMIT_JMAP_CONCURRENT);
    put_uint(w, "maxCallsInRequest", LIMIT_JMAP_CALLS);
    put_uint(w, "maxObjectsInGet", LIMIT_JMAP_GET);
    put_uint(w, "maxObjectsInSet", LIMIT_JMAP_SET);
    put_list(w, "collationAlgorithms", collations);
    jw_end(w);
}

static void write_mail(const struct jmap_service *s, struct json_writer *w)
{
    static const char *const sorts[] = {"receivedAt",
                                        "sentAt",
                                        "size",
                                        "from",
                                        "to",
                                        "subject",
                                        "hasKeyword",
                                        "allInThreadHaveKeyword",
                                        "someInThreadHaveKeyword",
                                        NULL};
    jw_key(w, CAPABILITY_MAIL);
    jw_object(w);
    jw_key(w, "maxMailboxesPerEmail");
    jw_null(w);
    put_uint(w, "maxMailboxDepth", LIMIT_MAILBOX_LEVELS);
    put_uint(w, "maxSizeMailboxName", LIMIT_JMAP_MAILBOX_NAME);
    put_uint(w, "maxSizeAttachmentsPerEmail", s->message_size / 4 * 3); /* as base64 */
    put_list(w, "emailQuerySortOptions", sorts);
    jw_key(w, "mayCreateTopLevelMailbox");
    jw_bool(w, true);
    jw_end(w);
}

static void write_submission(const struct jmap_service *s, struct json_writer *w)
{
    char number[24];
    jw_key(w, CAPABILITY_SUBMISSION);
    jw_object(w);
    put_uint(w, "maxDelayedSend", LIMIT_SUBMISSION_DELAY);
    jw_key(w, "submissionExtensions");
    jw_object(w);
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->message_size);
    put_list(w, "SIZE", (const char *const[]){number, NULL});
    snprintf(number, sizeof number, "%llu", (unsigned long long)LIMIT_SUBMISSION_DELAY);
    put_list(w, "FUTURERELEASE", (const char *const[]){number, NULL});
    static const char *const others[] = {"DSN", "REQUIRETLS", "8BITMIME", "SMTPUTF8", NULL};
    for (size_t i = 0; others[i] != NULL; i++)
        put_list(w, others[i], (const char *const[]){NULL});
    jw_end(w);
    jw_end(w);
}

static void write_blob(struct json_writer *w)
{
    static const char *const types[] = {"Mailbox", "Thread", "Email", NULL};
    static const char *const digests[] = {"sha", "sha-256", "sha-512", NULL};
    jw_key(w, CAPABILITY_BLOB);
    jw_object(w);
    put_uint(w, "maxSizeBlobSet", LIMIT_JMAP_UPLOAD);
    put_uint(w, "maxDataSources", LIMIT_JMAP_BLOB_SOURCES);
    put_list(w, "supportedTypeNames", types);
    put_list(w, "supportedDigestAlgorithms", digests);
    jw_end(w);
}

static void write_own(const struct jmap_service *s, const struct jmap_user *u,
                      struct json_writer *w)
{
    struct guard_lockout rule = guard_lockout(s->guard);
    jw_key(w, CAPABILITY_ACCOUNT);
    jw_object(w);
    put_str(w, "address", u->account.address);
    put_str(w, "language", u->account.language);
    put_uint(w, "passwordMinLength", LIMIT_PASSWORD_MIN);
    put_uint(w, "passwordMaxLength", LIMIT_PASSWORD);
    put_uint(w, "undeleteDays", s->undelete_days);
    jw_key(w, "lockout");
    jw_object(w);
    put_uint(w, "tolerated", rule.tolerated);
    put_uint(w, "windowSeconds", rule.window_seconds);
    put_uint(w, "closeSeconds", rule.close_seconds);
    jw_end(w);
    put_str(w, "host", s->host);
    jw_end(w);
}

static void write_account(const struct jmap_service *s, const struct jmap_user *u,
                          struct json_writer *w)
{
    put_str(w, "name", u->account.address);
    jw_key(w, "isPersonal");
    jw_bool(w, true);
    jw_key(w, "isReadOnly");
    jw_bool(w, false);
    jw_key(w, "accountCapabilities");
    jw_object(w);
    empty(w, CAPABILITY_CORE);
    write_mail(s, w);
    write_submission(s, w);
    empty(w, CAPABILITY_VACATION);
    write_blob(w);
    empty(w, CAPABILITY_QUOTA);
    write_own(s, u, w);
    jw_end(w);
}

static void put_url(struct json_writer *w, const char *key, struct slice base, const char *path)
{
    autobuf url = BUF_INIT(2048);
    buf_add(&url, base);
    buf_str(&url, path);
    jw_key(w, key);
    jw_text(w, buf_slice(&url));
}

/* All but the state. */
static void write_members(const struct jmap_service *s, const struct jmap_user *u,
                          struct slice base, struct json_writer *w)
{
    char id[JMAP_ID_TEXT];
    jmap_account_id(u, id);
    jw_key(w, "capabilities");
    jw_object(w);
    write_core(w);
    for (size_t i = 1; jmap_capabilities[i] != NULL; i++)
        empty(w, jmap_capabilities[i]);
    jw_end(w);
    jw_key(w, "accounts");
    jw_object(w);
    jw_key_text(w, slice_str(id));
    jw_object(w);
    write_account(s, u, w);
    jw_end(w);
    jw_end(w);
    jw_key(w, "primaryAccounts");
    jw_object(w);
    for (size_t i = 1; jmap_capabilities[i] != NULL; i++)
        put_str(w, jmap_capabilities[i], id);
    jw_end(w);
    put_str(w, "username", u->account.address);
    put_url(w, "apiUrl", base, "/jmap/api");
    put_url(w, "downloadUrl", base, "/jmap/download/{accountId}/{blobId}/{name}?accept={type}");
    put_url(w, "uploadUrl", base, "/jmap/upload/{accountId}/");
    put_url(w, "eventSourceUrl", base,
            "/jmap/events?types={types}&closeafter={closeafter}&ping={ping}");
}

/* Whatever name the server was called by: made without it. */
void jmap_session_state(const struct jmap_service *s, const struct jmap_user *u,
                        char out[JMAP_SESSION_STATE])
{
    struct json_writer w;
    autobuf text = BUF_INIT(LIMIT_JMAP_RESPONSE);
    jw_init(&w, &text);
    jw_object(&w);
    write_members(s, u, SLICE(""), &w);
    jw_end(&w);
    snprintf(out, JMAP_SESSION_STATE, "%016llx", (unsigned long long)checksum64(buf_slice(&text)));
}

void jmap_session(const struct jmap_service *s, const struct jmap_user *u, struct slice base,
                  struct buf *out)
{
    struct json_writer w;
    char state[JMAP_SESSION_STATE];
    jmap_session_state(s, u, state);
    jw_init(&w, out);
    jw_object(&w);
    write_members(s, u, base, &w);
    put_str(&w, "state", state);
    jw_end(&w);
}
