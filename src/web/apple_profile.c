/* Apple's configuration profiles; see apple_profile.h. */
#include "web/apple_profile.h"

#include "web/facts.h"
#include "web/markup.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* A UUID made of a hash (RFC 9562, version 8), so that it is the same the next time. */
static void write_uuid(const struct config *c, struct slice address, const char *what, char out[37])
{
    char text[LIMIT_ADDRESS + 512];
    uint8_t h[32];
    int n = snprintf(text, sizeof text, "%s %s %.*s", what, c->host, SLICE_FMT(address));
    if (n < 0 || (size_t)n >= sizeof text ||
        !EVP_Digest(text, (size_t)n, h, NULL, EVP_sha256(), NULL))
        bug("no hash");
    h[6] = (uint8_t)((h[6] & 0x0f) | 0x80);
    h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", h[0],
             h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13],
             h[14], h[15]);
}

static void text_key(struct buf *out, const char *key, const char *value)
{
    markup(out, "\t<key>%s</key>\n\t<string>%s</string>\n", key, value);
}

static void address_key(struct buf *out, const char *key, struct slice value)
{
    if (value.n)
        markup(out, "\t<key>%s</key>\n\t<string>%S</string>\n", key, &value);
}

static void bool_key(struct buf *out, const char *key, bool value)
{
    markup(out, value ? "\t<key>%s</key>\n\t<true/>\n" : "\t<key>%s</key>\n\t<false/>\n", key);
}

static void number_key(struct buf *out, const char *key, unsigned value)
{
    markup(out, "\t<key>%s</key>\n\t<integer>%u</integer>\n", key, value);
}

/* "IncomingMailServer..." and "OutgoingMailServer...". */
static void write_server(const struct config *c, struct slice address, const char *direction,
                         enum config_service implicit, enum config_service upgraded,
                         struct buf *out)
{
    unsigned port = facts_port(c, implicit) ? facts_port(c, implicit) : facts_port(c, upgraded);
    char key[64];
    static const char *const names[] = {"Authentication", "HostName", "PortNumber", "UseSSL",
                                        "Username"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(key, sizeof key, "%sMailServer%s", direction, names[i]);
        if (i == 0)
            text_key(out, key, "EmailAuthPassword");
        else if (i == 1)
            text_key(out, key, c->host);
        else if (i == 2)
            number_key(out, key, port);
        else if (i == 3)
            bool_key(out, key, true);
        else
            address_key(out, key, address);
    }
}

static void write_mail(const struct config *c, struct slice address, struct buf *out)
{
    char uuid[37], id[512];
    write_uuid(c, address, "mail", uuid);
    snprintf(id, sizeof id, "%s.mail.%s", c->host, uuid);
    text_key(out, "PayloadType", "com.apple.mail.managed");
    number_key(out, "PayloadVersion", 1);
    text_key(out, "PayloadIdentifier", id);
    text_key(out, "PayloadUUID", uuid);
    text_key(out, "PayloadDisplayName", facts_name(c));
    text_key(out, "EmailAccountDescription", facts_name(c));
    text_key(out, "EmailAccountType", "EmailTypeIMAP");
    address_key(out, "EmailAddress", address);
    write_server(c, address, "Incoming", SERVICE_IMAPS, SERVICE_IMAP, out);
    write_server(c, address, "Outgoing", SERVICE_SUBMISSIONS, SERVICE_SUBMISSION, out);
    bool_key(out, "OutgoingPasswordSameAsIncomingPassword", true);
}

void apple_profile(const struct config *c, struct slice address, struct buf *out)
{
    char uuid[37], id[512];
    write_uuid(c, address, "profile", uuid);
    snprintf(id, sizeof id, "%s.profile.%s", c->host, uuid);
    buf_lit(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                 "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                 "<plist version=\"1.0\">\n<dict>\n");
    text_key(out, "PayloadType", "Configuration");
    number_key(out, "PayloadVersion", 1);
    text_key(out, "PayloadIdentifier", id);
    text_key(out, "PayloadUUID", uuid);
    text_key(out, "PayloadDisplayName", facts_name(c));
    text_key(out, "PayloadOrganization", facts_name(c));
    text_key(out, "PayloadDescription",
             "Mail (IMAP, SMTP) - richtet Ihr Postfach ein / sets up your mailbox");
    bool_key(out, "PayloadRemovalDisallowed", false);
    buf_lit(out, "\t<key>PayloadContent</key>\n\t<array>\n\t<dict>\n");
    write_mail(c, address, out);
    buf_lit(out, "\t</dict>\n\t</array>\n</dict>\n</plist>\n");
}

/* --- Signing --- */

static X509 *read_chain(struct slice pem, STACK_OF(X509) * rest)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *leaf = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL, *c;
    while (leaf && (c = PEM_read_bio_X509(in, NULL, NULL, NULL)))
        if (!sk_X509_push(rest, c))
            X509_free(c);
    BIO_free(in);
    return leaf;
}

static EVP_PKEY *read_key(struct slice pem)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return key;
}

static bool write_der(CMS_ContentInfo *cms, struct buf *out)
{
    unsigned char *der = NULL;
    int n = cms ? i2d_CMS_ContentInfo(cms, &der) : -1;
    if (n > 0)
        buf_add(out, slice_of(der, (size_t)n));
    OPENSSL_free(der);
    return n > 0 && buf_check(out) == OK;
}

enum error apple_sign(struct slice profile, struct slice chain_pem, struct slice key_pem,
                      struct buf *out)
{
    STACK_OF(X509) *rest = sk_X509_new_null();
    X509 *leaf = rest ? read_chain(chain_pem, rest) : NULL;
    EVP_PKEY *key = read_key(key_pem);
    BIO *data = BIO_new_mem_buf(profile.p, (int)profile.n);
    CMS_ContentInfo *cms =
        leaf && key && data ? CMS_sign(leaf, key, rest, data, CMS_BINARY | CMS_NOSMIMECAP) : NULL;
    bool good = write_der(cms, out);
    CMS_ContentInfo_free(cms);
    BIO_free(data);
    EVP_PKEY_free(key);
    X509_free(leaf);
    sk_X509_pop_free(rest, X509_free);
    ERR_clear_error();
    return good ? OK : ERR_INPUT;
}
