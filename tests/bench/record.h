/* What a program of the benchmark has seen, and when; kept in memory until it ends. */
#ifndef TESTS_BENCH_RECORD_H_
#define TESTS_BENCH_RECORD_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds of CLOCK_REALTIME: the stamps of the product are of that clock, and all programs of
 * one machine share it. */
int64_t record_now(void);

/* Makes `file`, and `file`.count, which always holds the number of files that records tell of, as 8
 * bytes, so that whoever waits for them need not ask. Ends the program when that fails. */
void record_open(const char* file);

/* Keeps a record that tells of so many files. */
void record_add(int64_t at, const char* text, size_t length, int64_t files);

/* Writes one line a record: `<nanoseconds> <text>`. */
void record_close(void);

/* SIGTERM and SIGINT make record_stopping() true, and end a call that waits. */
void record_handle_signals(void);
int record_stopping(void);

/* Reads from `source`, which is non-blocking, and hands on what each read brought and when, until
 * record_stopping() and all that is left then; pauses for `pause_us` after each wake-up. */
typedef void (*record_take)(const char* bytes, ssize_t size, int64_t now);
void record_drain(int source, record_take take, long pause_us);

/* Says what failed, and ends the program. */
void record_fail(const char* what) __attribute__((noreturn));

#endif /* TESTS_BENCH_RECORD_H_ */
