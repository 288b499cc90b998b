#include "sample.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t sample_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void sample_add(struct sample* sample, int64_t ns) {
  if (sample->count == sample->room) {
    sample->room = sample->room ? 2 * sample->room : 1024;
    sample->ns = realloc(sample->ns, sample->room * sizeof(*sample->ns));
    if (sample->ns == NULL) sample_fail("memory", "there is none left");
  }
  sample->ns[sample->count++] = ns;
}

void sample_join(struct sample* sample, const struct sample* other) {
  for (size_t i = 0; i < other->count; ++i) sample_add(sample, other->ns[i]);
}

static int compare(const void* a, const void* b) {
  const int64_t left = *(const int64_t*)a;
  const int64_t right = *(const int64_t*)b;
  return (left > right) - (left < right);
}

void sample_print(struct sample* sample, int64_t jobs, int64_t elapsed_ns) {
  printf("{\"jobs\": %" PRId64 ", \"seconds\": %.6f, \"latency\": {\"count\": %zu", jobs,
         elapsed_ns / 1e9, sample->count);
  if (sample->count > 0) {
    qsort(sample->ns, sample->count, sizeof(*sample->ns), compare);
    printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f",
           sample->ns[(sample->count - 1) / 2] / 1e3,
           sample->ns[(sample->count * 99 + 99) / 100 - 1] / 1e3,
           sample->ns[sample->count - 1] / 1e3);
  }
  printf("}}\n");
  fflush(stdout);
}

void sample_payload(char* into, int64_t stamp, int64_t number) {
  char text[64];
  const int length = snprintf(text, sizeof(text), "%" PRId64 " in/%" PRId64 " ", stamp, number);
  memset(into, '.', SAMPLE_PAYLOAD_BYTES);
  memcpy(into, text, length);
}

int64_t sample_number(const char* text) {
  char* end = NULL;
  const int64_t number = strtoll(text, &end, 10);
  if (end == text || *end != '\0' || number < 0) sample_fail(text, "is no number");
  return number;
}

void sample_fail(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}
