/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in a directory of CNI plugins: put there, kept, taken back, and what stands in the way.
 */
#include "install.h"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>

#include "core/clock.h"
#include "unit.h"

#define OURS     "\177ELF program of cni-ipam, version 2"
#define OLD_OURS "\177ELF program of cni-ipam, version 1"
#define FOREIGN  "\177ELF program in Go"

/* Our programs, and the directory that they go to. */
struct place {
        char from[UNIT_PATH_MAX], bin[UNIT_PATH_MAX];
};

static struct place make_place(void)
{
        struct place place;

        unit_dir(place.from);
        unit_dir(place.bin);
        unit_write(place.from, "whereabouts", OURS);
        unit_write(place.from, "host-local", OURS ", the other");
        return place;
}

static struct install parse(const char *list)
{
        struct install install;
        struct err err;

        unit_assert_ok(install_parse(list, &install, &err), &err);
        return install;
}

static enum install_end install_one(const struct place *place)
{
        struct install install = parse("whereabouts");
        struct err err;

        unit_assert_ok(install_programs(&install, place->from, place->bin, &err), &err);
        return install.programs[0].end;
}

static enum install_end restore_one(const struct place *place)
{
        struct install install = parse("whereabouts");
        struct err err;

        unit_assert_ok(install_restore(&install, place->bin, &err), &err);
        return install.programs[0].end;
}

/* An installation that fails, with its message. `%s` of the message is the directory. */
static void install_fails(const struct place *place, const char *fmt)
{
        struct install install = parse("whereabouts");
        char wanted[2 * UNIT_PATH_MAX];
        struct err err;
        int r = install_programs(&install, place->from, place->bin, &err);
        size_t before = (size_t)(strstr(fmt, "BIN") - fmt);

        (void)snprintf(wanted, sizeof(wanted), "%.*s%s%s", (int)before, fmt, place->bin,
                       fmt + before + 3);
        unit_assert_err(r, &err, CNI_ERR_IO, wanted);
}

static void assert_mode(const char *dir, const char *name, mode_t mode)
{
        char path[UNIT_PATH_MAX];
        struct stat st;

        ck_assert_int_eq(lstat(unit_path(dir, name, path), &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, mode);
}

/* ---- lists of names ---- */

static const struct {
        const char *list, *names; /* NULL: an error */
        const char *error;
} list_rows[] = {
        { "whereabouts", "whereabouts ", NULL },
        { " host-local , dhcp,whereabouts", "host-local dhcp whereabouts ", NULL },
        { "", NULL, "\"\" is no program of this suite: whereabouts, host-local, dhcp" },
        { "dhcp,", NULL, "\"\" is no program of this suite: whereabouts, host-local, dhcp" },
        { "host", NULL, "\"host\" is no program of this suite: whereabouts, host-local, dhcp" },
        { "../dhcp", NULL,
          "\"../dhcp\" is no program of this suite: whereabouts, host-local, dhcp" },
        { "dhcp,dhcp", NULL, "dhcp is given twice" },
};

START_TEST(a_list_names_programs_of_the_suite)
{
        struct install install = { .count = 99 };
        char names[64] = "";
        struct err err;
        int r = install_parse(list_rows[_i].list, &install, &err);

        if (!list_rows[_i].names) {
                unit_assert_err(r, &err, CNI_ERR_CONFIG, list_rows[_i].error);
                ck_assert_uint_eq(install.count, 99);
                return;
        }
        unit_assert_ok(r, &err);
        for (size_t i = 0; i < install.count; i++) {
                size_t len = strlen(names);

                (void)snprintf(names + len, sizeof(names) - len, "%s ", install.programs[i].name);
        }
        ck_assert_str_eq(names, list_rows[_i].names);
}
END_TEST

START_TEST(the_own_directory_holds_this_program)
{
        char *dir = NULL;
        struct err err;

        unit_assert_ok(install_own_directory(&dir, &err), &err);
        ck_assert(unit_exists(dir, "test-whereabouts-install"));
        free(dir);
}
END_TEST

START_TEST(every_end_has_words)
{
        ck_assert_ptr_nonnull(install_end_text((enum install_end)_i));
}
END_TEST

/* ---- installing ---- */

START_TEST(a_program_comes_where_nothing_was)
{
        struct place place = make_place();
        mode_t mask = umask(0077);

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        umask(mask);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
        assert_mode(place.bin, "whereabouts", 0755);
        ck_assert_uint_eq(unit_count(place.bin), 1);
}
END_TEST

START_TEST(what_is_there_already_is_left_alone)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];
        struct stat before, after;

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        ck_assert_int_eq(stat(unit_path(place.bin, "whereabouts", path), &before), 0);
        ck_assert_int_eq(install_one(&place), INSTALL_SAME);
        ck_assert_int_eq(stat(path, &after), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(what_cannot_be_executed_is_put_there_again)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        ck_assert_int_eq(chmod(unit_path(place.bin, "whereabouts", path), 0666), 0);
        ck_assert_int_eq(install_one(&place), INSTALL_UPDATED);
        assert_mode(place.bin, "whereabouts", 0755);
        ck_assert_uint_eq(unit_count(place.bin), 1);
}
END_TEST

START_TEST(what_belongs_to_somebody_else_is_put_there_again)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];

        if (!unit_is_root("what_belongs_to_somebody_else_is_put_there_again"))
                return;
        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        ck_assert_int_eq(chown(unit_path(place.bin, "whereabouts", path), 1, 1), 0);
        ck_assert_int_eq(install_one(&place), INSTALL_UPDATED);
        ck_assert_int_eq(install_one(&place), INSTALL_SAME);
}
END_TEST

START_TEST(a_foreign_program_is_kept_once)
{
        struct place place = make_place();

        unit_write(place.bin, "whereabouts", FOREIGN);
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts.old"), FOREIGN);
        assert_mode(place.bin, "whereabouts.old", 0600); /* as it was */
        unit_write(place.from, "whereabouts", OURS ", newer");
        ck_assert_int_eq(install_one(&place), INSTALL_UPDATED);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts.old"), FOREIGN);
        unlink(unit_path(place.bin, "whereabouts", (char[UNIT_PATH_MAX]){ 0 }));
        unit_write(place.bin, "whereabouts", FOREIGN ", newer");
        ck_assert_int_eq(install_one(&place), INSTALL_AGAIN);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts.old"), FOREIGN);
        ck_assert_uint_eq(unit_count(place.bin), 2);
}
END_TEST

START_TEST(a_former_version_of_ours_is_not_kept)
{
        struct place place = make_place();

        unit_write(place.bin, "whereabouts", OLD_OURS);
        ck_assert_int_eq(install_one(&place), INSTALL_UPDATED);
        ck_assert_uint_eq(unit_count(place.bin), 1);
}
END_TEST

/* The mark across the border of two reads, at every offset. */
START_TEST(a_large_program_of_ours_is_recognised)
{
        struct place place = make_place();
        static char text[3 * 65536];

        memset(text, 'x', sizeof(text));
        (void)snprintf(text + 65536 + _i - 12, 9, "cni-ipam");
        unit_write_bytes(place.bin, "whereabouts", text, sizeof(text));
        ck_assert_int_eq(install_one(&place), INSTALL_UPDATED);
        memset(text, 'x', sizeof(text));
        (void)snprintf(text + 65536 + _i - 12, 9, "cni-ipaX");
        unit_write_bytes(place.bin, "whereabouts", text, sizeof(text));
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
}
END_TEST

static const char *const near_rows[] = { OURS "x", "", "\177ELF program of cni-ipam, version ",
                                         "\177ELF program of cni-ipam, version 3" };

START_TEST(what_is_nearly_the_same_is_replaced)
{
        struct place place = make_place();

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        unit_write(place.bin, "whereabouts", near_rows[_i]);
        ck_assert_int_ne(install_one(&place), INSTALL_SAME);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
}
END_TEST

/* K3s: NAME -> cni -> the one program of everything, which must stay as it is. */
START_TEST(a_symlink_is_kept_and_never_written_through)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX], target[64] = "";

        unit_write(place.bin, "cni", FOREIGN);
        ck_assert_int_eq(symlink("cni", unit_path(place.bin, "whereabouts", path)), 0);
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
        ck_assert_str_eq(unit_read(place.bin, "cni"), FOREIGN);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
        ck_assert_int_eq(
                readlink(unit_path(place.bin, "whereabouts.old", path), target, sizeof(target)), 3);
        ck_assert_str_eq(target, "cni");
        ck_assert_int_eq(restore_one(&place), INSTALL_RESTORED);
        ck_assert_int_eq(readlink(unit_path(place.bin, "whereabouts", path), target, 64), 3);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN);
        ck_assert_uint_eq(unit_count(place.bin), 2);
}
END_TEST

/* Its target may mean something else on the host; that it looks like ours here says nothing. */
START_TEST(a_symlink_is_never_ours)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];

        unit_write(place.bin, "other", OURS);
        ck_assert_int_eq(
                symlink(_i ? "nowhere" : "other", unit_path(place.bin, "whereabouts", path)), 0);
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
        ck_assert(!unit_exists(place.bin, "nowhere"));
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
}
END_TEST

START_TEST(several_programs_are_installed)
{
        struct place place = make_place();
        struct install install = parse("whereabouts,host-local");
        struct err err;

        unit_write(place.bin, "host-local", FOREIGN);
        unit_assert_ok(install_programs(&install, place.from, place.bin, &err), &err);
        ck_assert_int_eq(install.programs[0].end, INSTALL_NEW);
        ck_assert_int_eq(install.programs[1].end, INSTALL_REPLACED);
        ck_assert_str_eq(unit_read(place.bin, "host-local"), OURS ", the other");
}
END_TEST

START_TEST(nothing_is_done_when_a_program_is_missing_in_the_image)
{
        struct place place = make_place();
        struct install install = parse("whereabouts,dhcp");
        char wanted[2 * UNIT_PATH_MAX];
        struct err err;
        int r = install_programs(&install, place.from, place.bin, &err);

        (void)snprintf(wanted, sizeof(wanted), "open %s/dhcp: no such file or directory",
                       place.from);
        unit_assert_err(r, &err, CNI_ERR_IO, wanted);
        unit_write(place.from, "dhcp", FOREIGN);
        r = install_programs(&install, place.from, place.bin, &err);
        (void)snprintf(wanted, sizeof(wanted), "%s/dhcp is no program of this suite", place.from);
        unit_assert_err(r, &err, CNI_ERR_IO, wanted);
        ck_assert_uint_eq(unit_count(place.bin), 0);
}
END_TEST

/* Copies a program that can run. */
static void copy_sleep(const char *path)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(execl("/bin/cp", "cp", "/bin/sleep", path, (char *)NULL));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}

START_TEST(a_running_program_is_replaced)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX], end;
        int status, pipes[2];
        pid_t pid;

        copy_sleep(unit_path(place.bin, "whereabouts", path));
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0)
                _exit(execl(path, "sleep", "60", (char *)NULL));
        close(pipes[1]);
        ck_assert_int_eq(read(pipes[0], &end, 1), 0); /* closed by the start of the program */
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
        ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
        close(pipes[0]);
}
END_TEST

/* ---- what was killed ---- */

START_TEST(what_a_killed_installer_left_is_removed)
{
        struct place place = make_place();

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        unit_write(place.bin, ".whereabouts.4711", "half");
        unit_write(place.bin, ".host-local.4711", "another program's");
        ck_assert_int_eq(_i ? restore_one(&place) : install_one(&place),
                         _i ? INSTALL_REMOVED : INSTALL_SAME);
        ck_assert(!unit_exists(place.bin, ".whereabouts.4711"));
        ck_assert(unit_exists(place.bin, ".host-local.4711"));
}
END_TEST

/* Killed between keeping and replacing: two names of one file. */
START_TEST(an_installer_killed_after_keeping_is_no_harm)
{
        struct place place = make_place();
        char name[UNIT_PATH_MAX], old[UNIT_PATH_MAX];

        unit_write(place.bin, "whereabouts", FOREIGN);
        ck_assert_int_eq(link(unit_path(place.bin, "whereabouts", name),
                              unit_path(place.bin, "whereabouts.old", old)),
                         0);
        if (_i) {
                ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
                ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
                ck_assert_str_eq(unit_read(place.bin, "whereabouts.old"), FOREIGN);
        } else {
                ck_assert_int_eq(restore_one(&place), INSTALL_RESTORED);
                ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN);
                ck_assert_uint_eq(unit_count(place.bin), 1);
        }
}
END_TEST

/* ---- restoring ---- */

START_TEST(what_was_there_comes_back)
{
        struct place place = make_place();

        unit_write(place.bin, "whereabouts", FOREIGN);
        ck_assert_int_eq(install_one(&place), INSTALL_REPLACED);
        ck_assert_int_eq(restore_one(&place), INSTALL_RESTORED);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN);
        ck_assert_uint_eq(unit_count(place.bin), 1);
        ck_assert_int_eq(restore_one(&place), INSTALL_FOREIGN);
}
END_TEST

START_TEST(ours_goes_where_nothing_was)
{
        struct place place = make_place();

        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        ck_assert_int_eq(restore_one(&place), INSTALL_REMOVED);
        ck_assert_uint_eq(unit_count(place.bin), 0);
        ck_assert_int_eq(restore_one(&place), INSTALL_SAME);
}
END_TEST

START_TEST(what_was_there_comes_back_where_ours_was_removed)
{
        struct place place = make_place();

        unit_write(place.bin, "whereabouts.old", FOREIGN);
        ck_assert_int_eq(restore_one(&place), INSTALL_RESTORED);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN);
}
END_TEST

START_TEST(what_somebody_else_put_there_since_stays)
{
        struct place place = make_place();

        unit_write(place.bin, "whereabouts", FOREIGN ", newer");
        unit_write(place.bin, "whereabouts.old", FOREIGN);
        ck_assert_int_eq(restore_one(&place), INSTALL_FOREIGN);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN ", newer");
        ck_assert_str_eq(unit_read(place.bin, "whereabouts.old"), FOREIGN);
}
END_TEST

/* ---- what stands in the way ---- */

START_TEST(a_directory_of_that_name_is_an_error)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(mkdir(unit_path(place.bin, "whereabouts", path), 0755), 0);
        install_fails(&place, "install BIN/whereabouts: replace: is a directory");
        ck_assert_uint_eq(unit_count(place.bin), 1);
}
END_TEST

START_TEST(a_missing_directory_is_named)
{
        struct place place = make_place();

        ck_assert_int_eq(rmdir(place.bin), 0);
        install_fails(&place, "open the directory of CNI plugins BIN: no such file or directory");
}
END_TEST

START_TEST(what_cannot_be_cleaned_up_is_named)
{
        struct place place = make_place();
        char path[UNIT_PATH_MAX];

        unit_write(place.bin, "whereabouts", FOREIGN);
        ck_assert_int_eq(mkdir(unit_path(place.bin, ".whereabouts.12", path), 0755), 0);
        install_fails(&place, "install BIN/whereabouts: unlink .whereabouts.12: is a directory");
        ck_assert_uint_eq(unit_count(place.bin), 2);
}
END_TEST

START_TEST(what_cannot_be_restored_is_named)
{
        struct place place = make_place();
        struct install install = parse("whereabouts");
        char wanted[2 * UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;
        int r;

        unit_write(place.bin, "whereabouts", OURS);
        ck_assert_int_eq(mkdir(unit_path(place.bin, "whereabouts.old", path), 0755), 0);
        r = install_restore(&install, place.bin, &err);
        (void)snprintf(wanted, sizeof(wanted),
                       "restore %s/whereabouts: rename whereabouts.old: not a directory",
                       place.bin);
        unit_assert_err(r, &err, CNI_ERR_IO, wanted);
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), OURS);
        r = install_restore(&install, unit_path(place.bin, "none", path), &err);
        ck_assert_int_eq(r, -ENOENT);
}
END_TEST

/* The directory is a file system of a few pages, which the program does not fit in. */
static void install_into_too_little(const char *dir)
{
        struct place place;
        static char large[1 << 20];

        (void)dir;
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
                exit(2);
        place = make_place();
        ck_assert_int_eq(mount("none", place.bin, "tmpfs", 0, "size=64k,mode=0755"), 0);
        memset(large, 'x', sizeof(large));
        (void)snprintf(large, sizeof(large), "%s", OURS);
        unit_write_bytes(place.from, "whereabouts", large, sizeof(large));
        unit_write(place.bin, "whereabouts", FOREIGN);
        install_fails(&place,
                      "install BIN/whereabouts: write whereabouts: no space left on device");
        ck_assert_str_eq(unit_read(place.bin, "whereabouts"), FOREIGN);
        ck_assert_uint_eq(unit_count(place.bin), 1);
        ck_assert_int_eq(mount("none", place.bin, "none", MS_REMOUNT | MS_RDONLY, NULL), 0);
        install_fails(&place,
                      "install BIN/whereabouts: keep it as whereabouts.old: read-only file system");
        ck_assert_uint_eq(unit_count(place.bin), 1);
        ck_assert_int_eq(umount(place.bin), 0);
}

START_TEST(a_full_or_read_only_file_system_leaves_things_as_they_were)
{
        if (unit_is_root("a_full_or_read_only_file_system_leaves_things_as_they_were"))
                unit_in_child(install_into_too_little, unit_base);
}
END_TEST

/* Whether /proc/locks has a line of somebody who waits for this file. */
static bool has_waiter(FILE *locks, const char *inode)
{
        char line[256];

        while (fgets(line, sizeof(line), locks))
                if (strstr(line, "->") && strstr(line, inode))
                        return true;
        return false;
}

/* Waits until somebody waits for the lock on the directory. */
static bool is_waited_for(int fd)
{
        char inode[32] = "none";
        struct stat st;

        if (fstat(fd, &st) == 0)
                (void)snprintf(inode, sizeof(inode), ":%ju ", (uintmax_t)st.st_ino);
        for (int64_t end_ms = clock_boot_ms() + 20000; clock_boot_ms() < end_ms;
             clock_sleep_ms(1)) {
                _cleanup_(fclosep) FILE *locks = fopen("/proc/locks", "re");

                if (locks && has_waiter(locks, inode))
                        return true;
        }
        return false;
}

START_TEST(installers_exclude_each_other)
{
        struct place place = make_place();
        int pipes[2], status;
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) { /* is at work, and ends when the other one waits */
                int fd = open(place.bin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                unit_write(place.bin, ".whereabouts.4711", "half");
                if (flock(fd, LOCK_EX) < 0 || write(pipes[1], "x", 1) != 1)
                        _exit(1);
                _exit(!is_waited_for(fd) || !unit_exists(place.bin, ".whereabouts.4711") ||
                      unit_exists(place.bin, "whereabouts"));
        }
        ck_assert_int_eq(read(pipes[0], &byte, 1), 1);
        ck_assert_int_eq(install_one(&place), INSTALL_NEW);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(unit_count(place.bin), 1);
        close(pipes[0]);
        close(pipes[1]);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_list_names_programs_of_the_suite, list_rows);
        tcase_add_test(tests, the_own_directory_holds_this_program);
        tcase_add_loop_test(tests, every_end_has_words, INSTALL_SAME, INSTALL_FOREIGN + 1);
        tcase_add_test(tests, a_program_comes_where_nothing_was);
        tcase_add_test(tests, what_is_there_already_is_left_alone);
        tcase_add_test(tests, what_cannot_be_executed_is_put_there_again);
        tcase_add_test(tests, what_belongs_to_somebody_else_is_put_there_again);
        tcase_add_test(tests, a_foreign_program_is_kept_once);
        tcase_add_test(tests, a_former_version_of_ours_is_not_kept);
        tcase_add_loop_test(tests, a_large_program_of_ours_is_recognised, 0, 24);
        unit_add_table(tests, what_is_nearly_the_same_is_replaced, near_rows);
        tcase_add_test(tests, a_symlink_is_kept_and_never_written_through);
        tcase_add_loop_test(tests, a_symlink_is_never_ours, 0, 2);
        tcase_add_test(tests, several_programs_are_installed);
        tcase_add_test(tests, nothing_is_done_when_a_program_is_missing_in_the_image);
        tcase_add_test(tests, a_running_program_is_replaced);
        tcase_add_loop_test(tests, what_a_killed_installer_left_is_removed, 0, 2);
        tcase_add_loop_test(tests, an_installer_killed_after_keeping_is_no_harm, 0, 2);
        tcase_add_test(tests, what_was_there_comes_back);
        tcase_add_test(tests, ours_goes_where_nothing_was);
        tcase_add_test(tests, what_was_there_comes_back_where_ours_was_removed);
        tcase_add_test(tests, what_somebody_else_put_there_since_stays);
        tcase_add_test(tests, a_directory_of_that_name_is_an_error);
        tcase_add_test(tests, a_missing_directory_is_named);
        tcase_add_test(tests, what_cannot_be_cleaned_up_is_named);
        tcase_add_test(tests, what_cannot_be_restored_is_named);
        tcase_add_test(tests, a_full_or_read_only_file_system_leaves_things_as_they_were);
        tcase_add_test(tests, installers_exclude_each_other);
}

UNIT_MAIN("install", add_tests)
