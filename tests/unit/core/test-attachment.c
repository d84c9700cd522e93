/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of attachments that a GC leaves alone.
 */
#include "core/attachment.h"

#include "unit.h"

static const struct {
        const char *text;
        const char *want; /* "ID/IFNAME ", sorted */
        const char *error;
} decode_rows[] = {
        { "null", "", NULL },
        { "[]", "", NULL },
        { "[{\"containerID\":\"b\",\"ifname\":\"eth0\"},{\"containerID\":\"a\",\"ifname\":\"eth1\"}"
          ","
          "{\"containerID\":\"a\",\"ifname\":\"eth0\"}]",
          "a/eth0 a/eth1 b/eth0 ", NULL },
        { "[{\"CONTAINERid\":\"a\",\"IfName\":\"\",\"x\":1}]", "a/ ", NULL },
        { "[{\"containerID\":\"a\",\"ifname\":\"e\"},{\"containerID\":\"a\",\"ifname\":\"e\"}]",
          "a/e a/e ", NULL },
        { "{}", NULL, "the configuration: must be a list, not an object" },
        { "7", NULL, "the configuration: must be a list, not a number" },
        { "[null]", NULL, "[0]: must be an object, not null" },
        { "[{\"containerID\":\"a\",\"ifname\":\"e\"},{\"containerID\":\"a\"}]", NULL,
          "[1]: containerID or ifname is missing" },
        { "[{\"ifname\":\"a\"}]", NULL, "[0]: containerID or ifname is missing" },
        { "[{\"containerID\":null,\"ifname\":\"a\"}]", NULL,
          "[0]: containerID or ifname is missing" },
        { "[{\"containerID\":1,\"ifname\":\"a\"}]", NULL,
          "[0].containerID: must be a string, not a number" },
};

START_TEST(a_list_of_attachments_is_read)
{
        struct attachments attachments = { 0 };
        struct json *document = NULL;
        struct buf buf;
        struct err err;
        int r;

        unit_assert_ok(
                json_parse(decode_rows[_i].text, strlen(decode_rows[_i].text), &document, &err),
                &err);
        r = attachments_decode(&(struct json_at){ .value = document }, &attachments, &err);
        if (decode_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_DECODE, decode_rows[_i].error);
        } else {
                unit_assert_ok(r, &err);
                buf_init(&buf, 1000);
                for (size_t i = 0; i < attachments.count; i++)
                        buf_printf(&buf, "%s/%s ", attachments.items[i].container_id,
                                   attachments.items[i].ifname);
                ck_assert_str_eq(buf_text(&buf), decode_rows[_i].want);
                buf_done(&buf);
        }
        attachments_done(&attachments);
        json_free(document);
}
END_TEST

static const struct {
        const char *text;
        bool found;
        size_t count;
} find_rows[] = {
        { "{}", false, 0 },
        { "{\"cni.dev/valid-attachments\":[]}", true, 0 },
        { "{\"cni.dev/valid-attachments\":null}", true, 0 },
        { "{\"cni.dev/attachments\":[1]}", true, 1 },
        { "{\"cni.dev/attachments\":[1],\"cni.dev/valid-attachments\":[1,2]}", true, 2 },
        { "{\"cni.dev/attachments\":[1],\"cni.dev/valid-attachments\":null}", true, 1 },
        { "[]", false, 0 },
};

START_TEST(the_newer_key_counts_first_and_a_list_before_null)
{
        struct json *document = NULL;
        struct json_at at;
        struct err err;

        unit_assert_ok(json_parse(find_rows[_i].text, strlen(find_rows[_i].text), &document, &err),
                       &err);
        ck_assert_int_eq(attachments_find(&(struct json_at){ .value = document }, &at),
                         find_rows[_i].found);
        if (find_rows[_i].found)
                ck_assert_uint_eq(json_count(&at), find_rows[_i].count);
        json_free(document);
}
END_TEST

static const struct {
        const char *id, *ifname;
        bool have;
} have_rows[] = {
        { "a", "eth0", true }, { "a", "eth1", true },  { "a", "eth2", false },
        { "b", "eth0", true }, { "b", "eth1", false }, { "c", "eth0", false },
        { "", "eth0", false }, { "a", "", true },      { "b", "", true },
        { "c", "", false },    { "aa", "", false },
};

START_TEST(an_attachment_is_found_and_any_of_a_container)
{
        static const char text[] = "[{\"containerID\":\"b\",\"ifname\":\"eth0\"},"
                                   "{\"containerID\":\"a\",\"ifname\":\"eth1\"},"
                                   "{\"containerID\":\"a\",\"ifname\":\"eth0\"}]";
        struct attachments attachments = { 0 };
        struct json *document = NULL;
        struct err err;

        unit_assert_ok(json_parse(text, strlen(text), &document, &err), &err);
        unit_assert_ok(
                attachments_decode(&(struct json_at){ .value = document }, &attachments, &err),
                &err);
        ck_assert_int_eq(attachments_have(&attachments, have_rows[_i].id, have_rows[_i].ifname),
                         have_rows[_i].have);
        attachments_done(&attachments);
        json_free(document);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_list_of_attachments_is_read, decode_rows);
        unit_add_table(tests, the_newer_key_counts_first_and_a_list_before_null, find_rows);
        unit_add_table(tests, an_attachment_is_found_and_any_of_a_container, have_rows);
}

UNIT_MAIN("attachment", add_tests)
