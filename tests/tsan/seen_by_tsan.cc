// What ThreadSanitizer can't see of Debian's Abseil and gRPC, which are not instrumented: that a
// lock was taken, that something was told to another thread. Without it everything that an
// absl::Mutex guards, and everything that goes through a call, looks like a race.
//
// A library that is loaded before those two, and so stands in the place of some of their functions;
// tests/run --tsan does so. It is not instrumented itself. Not for anything else: waiting is
// polling.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

// Of the sanitizer's runtime; not there in the shells that start tests.
extern "C" {
void __tsan_acquire(void* at) __attribute__((weak));  // NOLINT: the runtime's own name
void __tsan_release(void* at) __attribute__((weak));  // NOLINT: likewise
void AnnotateIgnoreWritesBegin(char* file, int line) __attribute__((weak));
void AnnotateIgnoreWritesEnd(char* file, int line) __attribute__((weak));
}

namespace {

// How long a thread that waits for a condition leaves the lock to others.
constexpr int kWaitUs = 200;

// All calls: what one thread did before it gave gRPC something, another one sees that got something
// of it. More than is promised, so races between threads that talk by calls are not found.
char all_calls;

// What was done here before Release has happened before what follows an Acquire of the same place.
void Acquire(const void* at) {
  if (__tsan_acquire != nullptr) __tsan_acquire(const_cast<void*>(at));
}
void Release(const void* at) {
  if (__tsan_release != nullptr) __tsan_release(const_cast<void*>(at));
}

// The function that this library stands before.
template <class Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

#define NAME(mangled) "_ZN4absl7debian3" mangled

void Mutex::Lock() {
  static auto* const next = Next<void(Mutex*)>(NAME("5Mutex4LockEv"));
  next(this);
  Acquire(this);
}

void Mutex::Unlock() {
  static auto* const next = Next<void(Mutex*)>(NAME("5Mutex6UnlockEv"));
  Release(this);
  next(this);
}

bool Mutex::TryLock() {
  static auto* const next = Next<bool(Mutex*)>(NAME("5Mutex7TryLockEv"));
  const bool locked = next(this);
  if (locked) Acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static auto* const next = Next<void(Mutex*)>(NAME("5Mutex10ReaderLockEv"));
  next(this);
  Acquire(this);
}

void Mutex::ReaderUnlock() {
  static auto* const next = Next<void(Mutex*)>(NAME("5Mutex12ReaderUnlockEv"));
  Release(this);
  next(this);
}

// Abseil has conditions looked at by whoever unlocks; here each thread looks at its own.
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  for (;;) {
    if (condition.Eval()) return true;
    if (Now() >= deadline) return false;
    Unlock();
    usleep(kWaitUs);
    Lock();
  }
}

void Mutex::Await(const Condition& condition) { AwaitWithDeadline(condition, InfiniteFuture()); }

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return AwaitWithDeadline(condition, Now() + timeout);
}

void Mutex::LockWhen(const Condition& condition) {
  Lock();
  Await(condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  Lock();
  return AwaitWithTimeout(condition, timeout);
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  Lock();
  return AwaitWithDeadline(condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const next = Next<void(CondVar*, Mutex*)>(NAME("7CondVar4WaitEPNS0_5MutexE"));
  Release(mutex);
  next(this, mutex);
  Acquire(mutex);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next =
      Next<bool(CondVar*, Mutex*, Time)>(NAME("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE"));
  Release(mutex);
  const bool late = next(this, mutex, deadline);
  Acquire(mutex);
  return late;
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  return WaitWithDeadline(mutex, Now() + timeout);
}

// Behind its lock there is a flag that HasBeenNotified reads where it is called.
void Notification::Notify() {
  static auto* const next = Next<void(Notification*)>(NAME("12Notification6NotifyEv"));
  Release(this);
  Release(reinterpret_cast<char*>(this) + sizeof(Mutex));
  next(this);
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  static auto* const next = Next<bool(const Notification*, Time)>(
      "_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
  const bool notified = next(this, deadline);
  Acquire(this);
  return notified;
}

void Notification::WaitForNotification() const {
  WaitForNotificationWithDeadline(InfiniteFuture());
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  return WaitForNotificationWithDeadline(Now() + timeout);
}

#undef NAME

ABSL_NAMESPACE_END
}  // namespace absl

namespace {

// Whether this thread is in gRPC, where what it writes does not count: memory that gRPC takes there
// may be another thread's before we can say that it was given.
thread_local bool in_grpc = false;

class SetInGrpc {
 public:
  explicit SetInGrpc(bool in) : before_(in_grpc) { Set(in); }
  ~SetInGrpc() { Set(before_); }

 private:
  static void Set(bool in) {
    if (in == in_grpc) return;
    in_grpc = in;
    auto* const annotate = in ? AnnotateIgnoreWritesBegin : AnnotateIgnoreWritesEnd;
    if (annotate != nullptr) annotate(const_cast<char*>(__FILE__), __LINE__);
  }

  const bool before_;
};

using Functor = grpc_completion_queue_functor;
using Run = void (*)(Functor*, int);

std::mutex runs_mutex;

// What functors that gRPC is to run did before we stood before them.
std::unordered_map<Functor*, Run>& Runs() {
  static auto* const runs = new std::unordered_map<Functor*, Run>;
  return *runs;
}

// Whether there is a program at this address.
bool IsCode(const void* address) {
  struct Search {
    uintptr_t address;
    bool found = false;
  } search{reinterpret_cast<uintptr_t>(address)};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* const wanted = static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          wanted->found |= segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 &&
                           wanted->address >= begin && wanted->address - begin < segment.p_memsz;
        }
        return wanted->found ? 1 : 0;
      },
      &search);
  return search.found;
}

void RunSeen(Functor* functor, int ok) {
  Run run = nullptr;
  {
    const std::lock_guard<std::mutex> lock(runs_mutex);
    const auto found = Runs().find(functor);
    run = found->second;
    Runs().erase(found);
  }
  const SetInGrpc out(false);
  functor->functor_run = run;
  Acquire(functor);
  Acquire(&all_calls);
  run(functor, ok);
  Release(&all_calls);
}

}  // namespace

// What gRPC's own threads take for a call counts as theirs no more than what they write into it.
void* operator new(size_t size) {
  const SetInGrpc in(true);
  for (;;) {
    if (void* const memory = malloc(size == 0 ? 1 : size)) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

extern "C" {

// A tag is a functor in the API of callbacks, which we stand before, and otherwise an object that
// begins with the address of its table of virtual functions.
grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                      void* reserved) {
  static auto* const next =
      Next<grpc_call_error(grpc_call*, const grpc_op*, size_t, void*, void*)>(__func__);
  Release(tag);
  Release(&all_calls);
  auto* const functor = static_cast<Functor*>(tag);
  if (functor != nullptr && functor->functor_run != RunSeen &&
      IsCode(reinterpret_cast<const void*>(functor->functor_run))) {
    const std::lock_guard<std::mutex> lock(runs_mutex);
    Runs()[functor] = std::exchange(functor->functor_run, RunSeen);
  }
  const SetInGrpc in(true);
  return next(call, ops, count, tag, reserved);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const next = Next<grpc_event(grpc_completion_queue*, gpr_timespec, void*)>(__func__);
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) Acquire(event.tag);
  Acquire(&all_calls);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  static auto* const next =
      Next<grpc_event(grpc_completion_queue*, void*, gpr_timespec, void*)>(__func__);
  const grpc_event event = next(queue, tag, deadline, reserved);
  Acquire(tag);
  Acquire(&all_calls);
  return event;
}

// What a handler of a call does first.
void* grpc_call_arena_alloc(grpc_call* call, size_t size) {
  static auto* const next = Next<void*(grpc_call*, size_t)>(__func__);
  Acquire(&all_calls);
  return next(call, size);
}

int grpc_byte_buffer_reader_init(grpc_byte_buffer_reader* reader, grpc_byte_buffer* buffer) {
  static auto* const next = Next<int(grpc_byte_buffer_reader*, grpc_byte_buffer*)>(__func__);
  Acquire(&all_calls);
  return next(reader, buffer);
}

// After which its memory may be another call's.
void grpc_call_unref(grpc_call* call) {
  static auto* const next = Next<void(grpc_call*)>(__func__);
  Release(&all_calls);
  next(call);
}

void grpc_server_start(grpc_server* server) {
  static auto* const next = Next<void(grpc_server*)>(__func__);
  Release(&all_calls);
  next(server);
}

}  // extern "C"

namespace grpc {

void Alarm::SetInternal(gpr_timespec deadline, std::function<void(bool)> f) {
  static auto* const next = Next<void(Alarm*, gpr_timespec, std::function<void(bool)>)>(
      "_ZN4grpc5Alarm11SetInternalE12gpr_timespecSt8functionIFvbEE");
  Release(this);
  next(this, deadline, [at = this, f = std::move(f)](bool is_due) {
    Acquire(at);
    f(is_due);
  });
}

namespace internal {

// The last word of a reactor, which gRPC has its own threads say. Ours begins where it is told.

void ClientReactor::InternalScheduleOnDone(Status status) {
  Acquire(&all_calls);
  std::thread([this, status = std::move(status)] { OnDone(status); }).detach();
}

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const next = Next<void(ServerCallbackCall*, bool)>(
      "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  Acquire(&all_calls);
  if (inline_ondone) return next(this, true);
  std::thread([this] { next(this, true); }).detach();
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  Acquire(&all_calls);
  if (reactor->InternalInlineable()) return reactor->OnCancel();
  Ref();
  std::thread([this, reactor] {
    reactor->OnCancel();
    Release(&all_calls);
    MaybeDone();
  }).detach();
}

}  // namespace internal
}  // namespace grpc
