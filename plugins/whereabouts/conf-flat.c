/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search. A tenant names the first place, so it is opened by the trust rule, and an error must
 * not tell what stands in a file that is no configuration.
 */
#include "conf-flat.h"

#include <fcntl.h>
#include <string.h>

#include "core/cni.h"
#include "core/fs.h"

#define FLAT_NAME "whereabouts.conf"

void flat_done(struct flat *flat)
{
        free(flat->path);
        json_free(flat->document);
        *flat = (struct flat){ 0 };
}

/* Whether `first` turned out to be no file, or a default does not count. */
enum {
        FLAT_ABSENT = 1,
};

void flat_wrap(const char *path, struct err *err)
{
        err->code = CNI_ERR_INTERNAL;
        err_wrap(err, "LoadIPAMConfig Flatfile (%s) - JSON Parsing Error: ", path);
}

/* "invalid character 'x' after..." without the character, which may be a secret's. */
static void hide_character(struct err *err)
{
        static const char start[] = "invalid character ";
        char *quoted = err->msg + sizeof(start) - 1, *rest;

        if (strncmp(err->msg, start, sizeof(start) - 1) != 0)
                return;
        rest = strstr(quoted + 1, "' ");
        if (rest)
                memmove(quoted, rest + 2, strlen(rest + 2) + 1);
}

static int read_document(int fd, const char *path, struct json **ret, struct err *err)
{
        _cleanup_(buf_done) struct buf text;
        int r;

        buf_init(&text, CNI_CONFIG_MAX);
        r = fs_read(fd, &text);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r == -EFBIG)
                return err_text(err, r, CNI_ERR_INTERNAL,
                                "LoadIPAMConfig Flatfile (%s): more than %u bytes", path,
                                CNI_CONFIG_MAX);
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL,
                               "LoadIPAMConfig Flatfile (%s) - io.ReadAll error: read %s", path,
                               path);
        r = json_parse(buf_text(&text), text.len, ret, err);
        if (r < 0 && r != -ENOMEM) {
                hide_character(err);
                flat_wrap(path, err);
        }
        return r;
}

/* Opens and reads one place. FLAT_ABSENT when there is nothing. */
static int read_flat(const char *path, const struct trust *trust, struct flat *ret, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        _cleanup_(flat_done) struct flat flat = { 0 };
        int r = trust_open(trust, path, 0, &fd, err);

        if (r == -ENOENT)
                return FLAT_ABSENT;
        if (r == -EISDIR)
                return err_set(err, r, CNI_ERR_INTERNAL,
                               "LoadIPAMConfig Flatfile (%s) - io.ReadAll error: read %s", path,
                               path);
        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "error opening flat configuration file @ %s with: ", path);
                return r;
        }
        flat.path = strdup(path);
        if (!flat.path)
                return err_oom(err);
        r = read_document(fd, path, &flat.document, err);
        if (r < 0)
                return r;
        *ret = flat;
        flat = (struct flat){ 0 };
        return 0;
}

/* As read_flat(), for a path that may be the directory of the file. */
static int read_first(const char *path, const struct trust *trust, struct flat *ret,
                      struct err *err)
{
        _cleanup_(freep) char *inside = NULL;
        int r = read_flat(path, trust, ret, err);

        if (r != -EISDIR)
                return r;
        inside = fs_join(path, FLAT_NAME);
        return inside ? read_flat(inside, trust, ret, err) : err_oom(err);
}

/* As read_flat(), for a default: what is not trusted there, such as another user's /etc/kubernetes,
 * matters only when the file exists. */
static int read_default(const char *path, const struct trust *trust, struct flat *ret,
                        struct err *err)
{
        int r = read_flat(path, trust, ret, err);

        if (r == -EPERM && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno == ENOENT)
                return FLAT_ABSENT;
        return r;
}

int flat_find(const char *first, const char *const *defaults, size_t count,
              const struct trust *trust, struct flat *ret, struct err *err)
{
        int r = FLAT_ABSENT;

        if (first && *first)
                r = read_first(first, trust, ret, err);
        for (size_t i = 0; i < count && r == FLAT_ABSENT; i++)
                r = read_default(defaults[i], trust, ret, err);
        if (r == FLAT_ABSENT)
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL, "config file not found");
        return r;
}
