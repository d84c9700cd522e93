/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: composing, wrapping, cutting, the texts of errno numbers.
 */
#include "unit.h"

START_TEST(set_appends_the_text_of_errno)
{
        struct err err;
        int r = err_set(&err, -ENOENT, CNI_ERR_IO, "open %s", "/x");

        ck_assert_int_eq(r, -ENOENT);
        unit_assert_err(r, &err, CNI_ERR_IO, "open /x: no such file or directory");
        ck_assert_str_eq(err.details, "");
}
END_TEST

START_TEST(text_is_taken_as_it_is) /* T22, T23 */
{
        struct err err;

        err_details(&err, "old");
        unit_assert_err(err_text(&err, -EINVAL, CNI_ERR_CONFIG, "%d of %s", 3, "x"), &err,
                        CNI_ERR_CONFIG, "3 of x");
        ck_assert_str_eq(err.details, "");
}
END_TEST

START_TEST(out_of_memory_is_an_ordinary_error)
{
        struct err err;
        int r = err_oom(&err);

        ck_assert_int_eq(r, -ENOMEM);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL, "out of memory");
}
END_TEST

START_TEST(wrap_puts_text_in_front_and_keeps_the_rest)
{
        struct err err;

        (void)err_text(&err, -EINVAL, CNI_ERR_CONFIG, "inner");
        err_details(&err, "path %d", 7);
        err_wrap(&err, "set %d: ", 2);
        err_wrap(&err, "outer: ");
        ck_assert_str_eq(err.msg, "outer: set 2: inner");
        ck_assert_str_eq(err.details, "path 7"); /* T21: message and details are two texts */
        ck_assert_int_eq(err.code, CNI_ERR_CONFIG);
}
END_TEST

START_TEST(details_replace_those_that_are_there)
{
        struct err err;

        (void)err_text(&err, -EINVAL, CNI_ERR_CONFIG, "m");
        err_details(&err, "first");
        err_details(&err, "second");
        ck_assert_str_eq(err.details, "second");
        ck_assert_str_eq(err.msg, "m");
}
END_TEST

static const struct {
        int number;
        const char *text;
} errno_rows[] = {
        { EPERM, "operation not permitted" },
        { ENOENT, "no such file or directory" },
        { EINTR, "interrupted system call" },
        { EIO, "input/output error" },
        { EBADF, "bad file descriptor" },
        { EAGAIN, "resource temporarily unavailable" },
        { ENOMEM, "cannot allocate memory" },
        { EACCES, "permission denied" },
        { EEXIST, "file exists" },
        { ENOTDIR, "not a directory" },
        { EISDIR, "is a directory" },
        { EINVAL, "invalid argument" },
        { ENFILE, "too many open files in system" },
        { EMFILE, "too many open files" },
        { EFBIG, "file too large" },
        { ENOSPC, "no space left on device" },
        { EROFS, "read-only file system" },
        { EPIPE, "broken pipe" },
        { ENAMETOOLONG, "file name too long" },
        { ELOOP, "too many levels of symbolic links" },
        { EDQUOT, "disk quota exceeded" },
        { ESTALE, "stale file handle" },
};

START_TEST(errno_texts_are_those_of_the_reference_plugin)
{
        ck_assert_str_eq(err_errno_text(errno_rows[_i].number), errno_rows[_i].text);
}
END_TEST

START_TEST(another_errno_has_the_text_of_the_c_library)
{
        ck_assert_str_eq(err_errno_text(EXDEV), strerror(EXDEV));
}
END_TEST

/* A text of `pad` blanks and a character of two bytes, as often as it takes. */
static void fill(char *text, size_t size, size_t pad)
{
        size_t len = pad;

        memset(text, ' ', pad);
        for (; len + 2 < size; len += 2)
                memcpy(text + len, "\xc3\xa9", 2);
        text[len] = '\0';
}

/* The last character of a cut text must be whole, wherever the cut falls. */
static void assert_whole(const char *text, size_t size)
{
        size_t len = strlen(text);

        ck_assert_uint_lt(len, size);
        ck_assert_uint_ge(len + 4, size);
        ck_assert_msg((unsigned char)text[len - 1] == 0xa9, "ends with byte %02x",
                      (unsigned char)text[len - 1]);
}

START_TEST(a_long_text_is_cut_between_characters)
{
        static char text[5000];
        struct err err;

        fill(text, sizeof(text), (size_t)_i);
        (void)err_text(&err, -EINVAL, CNI_ERR_CONFIG, "%s", text);
        assert_whole(err.msg, sizeof(err.msg));
        err_details(&err, "%s", text);
        assert_whole(err.details, sizeof(err.details));
        err_wrap(&err, "wrapped: ");
        ck_assert(strncmp(err.msg, "wrapped: ", 9) == 0);
        assert_whole(err.msg, sizeof(err.msg));
}
END_TEST

START_TEST(a_text_that_just_fits_is_not_cut)
{
        static char text[sizeof(((struct err *)0)->msg)];
        struct err err;

        fill(text, sizeof(text), 1);
        ck_assert_uint_eq(strlen(text), sizeof(text) - 1);
        (void)err_text(&err, -EINVAL, CNI_ERR_CONFIG, "%s", text);
        ck_assert_uint_eq(strlen(err.msg), strlen(text));
}
END_TEST

START_TEST(a_long_text_leaves_room_for_the_errno_text)
{
        static const char end[] = ": no space left on device";
        static char text[5000];
        struct err err;

        fill(text, sizeof(text), (size_t)_i);
        (void)err_set(&err, -ENOSPC, CNI_ERR_IO, "write %s", text);
        ck_assert_uint_gt(strlen(err.msg), sizeof(end));
        ck_assert_str_eq(err.msg + strlen(err.msg) - strlen(end), end);
        ck_assert_int_eq((unsigned char)err.msg[strlen(err.msg) - strlen(end) - 1], 0xa9);
}
END_TEST

START_TEST(a_text_without_a_single_character_is_cut_as_well)
{
        static char text[5000];
        struct err err;

        memset(text, 0x80, sizeof(text) - 1);
        (void)err_text(&err, -EINVAL, CNI_ERR_CONFIG, "%s", text);
        ck_assert_uint_lt(strlen(err.msg), sizeof(err.msg));
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, set_appends_the_text_of_errno);
        tcase_add_test(tests, text_is_taken_as_it_is);
        tcase_add_test(tests, out_of_memory_is_an_ordinary_error);
        tcase_add_test(tests, wrap_puts_text_in_front_and_keeps_the_rest);
        tcase_add_test(tests, details_replace_those_that_are_there);
        unit_add_table(tests, errno_texts_are_those_of_the_reference_plugin, errno_rows);
        tcase_add_test(tests, another_errno_has_the_text_of_the_c_library);
        tcase_add_loop_test(tests, a_long_text_is_cut_between_characters, 0, 4);
        tcase_add_test(tests, a_text_that_just_fits_is_not_cut);
        tcase_add_loop_test(tests, a_long_text_leaves_room_for_the_errno_text, 0, 4);
        tcase_add_test(tests, a_text_without_a_single_character_is_cut_as_well);
}

UNIT_MAIN("err", add_tests)
