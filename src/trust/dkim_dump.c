/* Signs messages with new keys, for dkim_verified.py: `dkim_dump FOLDER FILE...` writes the keys'
 * records to FOLDER/rsa and FOLDER/ed25519, and each signed message to FOLDER/0, FOLDER/1, ... */
#include "base/limits.h"
#include "trust/dkim.h"

static struct dkim_key *new_key(enum dkim_algorithm algorithm)
{
    struct buf pem = BUF_INIT(LIMIT_DKIM_PEM);
    struct dkim_key *key;
    if (dkim_key_make(algorithm, &pem) != OK ||
        dkim_key_read(algorithm, buf_slice(&pem), &key) != OK)
        die("no key");
    buf_wipe(&pem);
    return key;
}

static void write_out(const char *folder, const char *name, struct slice text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
        die("%s cannot be written", path);
}

static void read_in(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        die("%s cannot be read", path);
    for (int c, before = 0; (c = getc(f)) != EOF; before = c) {
        if (c == '\n' && before != '\r')
            buf_byte(out, '\r');
        buf_byte(out, (uint8_t)c);
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        die("usage: dkim_dump FOLDER FILE...");
    struct dkim_key *rsa = new_key(DKIM_RSA), *ed25519 = new_key(DKIM_ED25519);
    const struct dkim_signature keys[2] = {{rsa, SLICE("rsa")}, {ed25519, SLICE("ed25519")}};
    static const char *const names[2] = {"rsa", "ed25519"};
    for (size_t i = 0; i < 2; i++) {
        autobuf record = BUF_INIT(LIMIT_DKIM_PEM);
        if (dkim_key_record(keys[i].key, &record) != OK)
            die("no record");
        write_out(argv[1], names[i], buf_slice(&record));
    }
    for (int i = 2; i < argc; i++) {
        autobuf raw = BUF_INIT(LIMIT_MESSAGE_SIZE), out = BUF_INIT(2 * LIMIT_MESSAGE_SIZE);
        char name[16];
        read_in(argv[i], &raw);
        if (dkim_sign(keys, 2, SLICE("example.org"), buf_slice(&raw), 1600000000, &out) != OK)
            die("%s cannot be signed", argv[i]);
        buf_add(&out, buf_slice(&raw));
        snprintf(name, sizeof name, "%d", i - 2);
        write_out(argv[1], name, buf_slice(&out));
    }
    dkim_key_free(rsa);
    dkim_key_free(ed25519);
    return 0;
}
