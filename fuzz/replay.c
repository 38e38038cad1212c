/* Runs a fuzz target over every file of the folder given: the corpus as a plain unit test, with any
 * compiler. */
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    uint8_t *data = mem_alloc((size_t)size + 1);
    size_t n = fread(data, 1, (size_t)size, f);
    fclose(f);
    /* An exact-size copy, so that a sanitizer sees a read past the end. */
    uint8_t *exact = mem_alloc(n);
    memcpy(exact, data, n);
    mem_free(data);
    LLVMFuzzerTestOneInput(exact, n);
    mem_free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    DIR *d = opendir(argv[1]);
    if (!d) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int files = 0, failed = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        failed += replay_file(argv[1], e->d_name);
        files++;
    }
    closedir(d);
    printf("%d files replayed\n", files);
    return failed || files == 0;
}
