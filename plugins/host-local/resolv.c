/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words are separated by white space as Unicode has it; keywords are case-sensitive; a second
 * `domain` replaces the first, everything else adds up.
 */
#include "resolv.h"

#include <string.h>

#include "core/fs.h"
#include "core/utf8.h"

#define FILE_MAX       (1024U * 1024U)
#define LINE_MAX_BYTES 65535U

struct word {
        const char *text;
        size_t len;
};

/* Cuts the next word off the line; false when there is none. */
static bool next_word(const char **line, const char *end, struct word *ret)
{
        const char *p = *line;
        size_t n;

        while (p < end && (n = utf8_space_len(p, (size_t)(end - p))) > 0)
                p += n;
        ret->text = p;
        while (p < end && utf8_space_len(p, (size_t)(end - p)) == 0)
                p++;
        ret->len = (size_t)(p - ret->text);
        *line = p;
        return ret->len > 0;
}

static bool is(const struct word *word, const char *text)
{
        return word->len == strlen(text) && memcmp(word->text, text, word->len) == 0;
}

static int add_words(struct text_list *list, const struct word *first, const char *line,
                     const char *end, struct err *err)
{
        struct word word = *first;
        int r;

        do {
                r = text_list_add(list, word.text, word.len, err);
        } while (r == 0 && next_word(&line, end, &word));
        return r;
}

static int parse_line(const char *line, const char *end, struct dns *dns, struct err *err)
{
        struct word key, first;

        if (!next_word(&line, end, &key) || key.text[0] == '#' || key.text[0] == ';' ||
            !next_word(&line, end, &first))
                return 0;
        if (is(&key, "nameserver"))
                return text_list_add(&dns->nameservers, first.text, first.len, err);
        if (is(&key, "domain")) {
                free(dns->domain);
                dns->domain = strndup(first.text, first.len);
                return dns->domain ? 0 : err_oom(err);
        }
        if (is(&key, "search"))
                return add_words(&dns->search, &first, line, end, err);
        if (is(&key, "options"))
                return add_words(&dns->options, &first, line, end, err);
        return 0;
}

int resolv_parse(const char *text, size_t len, struct dns *ret, struct err *err)
{
        const char *end = text + len;

        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                const char *line_end = newline ? newline : end;
                int r;

                if ((size_t)(line_end - text) > LINE_MAX_BYTES)
                        return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                        "bufio.Scanner: token too long");
                r = parse_line(text, line_end, ret, err);
                if (r < 0)
                        return r;
                text = newline ? newline + 1 : end;
        }
        return 0;
}

int resolv_read(const char *path, struct dns *ret, struct err *err)
{
        _cleanup_(buf_done) struct buf text;
        _cleanup_(closep) int fd = fs_open_regular(path);
        int r;

        buf_init(&text, FILE_MAX);
        if (fd == -EISDIR)
                return err_set(err, fd, CNI_ERR_IO, "read %s", path);
        if (fd < 0)
                return err_set(err, fd, CNI_ERR_IO, "open %s", path);
        r = fs_read(fd, &text);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "read %s", path);
        r = resolv_parse(buf_text(&text), text.len, ret, err);
        if (r == -EINVAL)
                err_details(err, "a line of %s has more than %u bytes", path, LINE_MAX_BYTES);
        return r;
}
