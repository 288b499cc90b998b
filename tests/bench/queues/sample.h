/* What the benchmark's clients in C have in common: durations, the payload of a job, the end. */
#ifndef TESTS_BENCH_QUEUES_SAMPLE_H_
#define TESTS_BENCH_QUEUES_SAMPLE_H_

#include <stddef.h>
#include <stdint.h>

/* What a file's name, inode, size and time take as text, in round figures. */
#define SAMPLE_PAYLOAD_BYTES 200

/* Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
int64_t sample_now(void);

/* Durations; begin with {0}. Not thread-safe. */
struct sample {
  int64_t* ns;
  size_t count;
  size_t room;
};
void sample_add(struct sample* sample, int64_t ns);
void sample_join(struct sample* sample, const struct sample* other);

/* Prints {"jobs", "seconds", "latency": {"count", "p50_us", "p99_us", "max_us"}}. */
void sample_print(struct sample* sample, int64_t jobs, int64_t elapsed_ns);

/* Fills SAMPLE_PAYLOAD_BYTES bytes, without a zero at the end: the stamp, the number, dots. */
void sample_payload(char* into, int64_t stamp, int64_t number);

/* An argument that must be a whole number that is not negative. */
int64_t sample_number(const char* text);

/* Says what failed, and ends the program. */
void sample_fail(const char* what, const char* why) __attribute__((noreturn));

#endif /* TESTS_BENCH_QUEUES_SAMPLE_H_ */
