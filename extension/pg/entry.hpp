// The wall between C++ and PostgreSQL's errors. PostgreSQL raises by longjmp, which runs no
// destructor; C++ raises by exceptions, which must never reach PostgreSQL's C frames. So:
//
//   GLOBALMART_FUNCTION(globalmart_clock) { ... PG_RETURN_TIMESTAMPTZ(now); }
//
// is a function that SQL can call (extern "C", exported, with its finfo record). What its body
// throws is copied to a plain struct inside the catch block and raised by ereport after the block
// was left:
//   PgError              the PostgreSQL error as it was (SQLSTATE, detail, hint, context, position)
//   SqlError             our own errors
//   std::bad_alloc       53200
//   std::overflow_error  22003
//   CorruptBytes         XX001
//   std::exception, ...  XX000
//
// A body may call PostgreSQL directly only while neither it nor a C++ caller above it owns anything
// with a destructor. Else the calls go, a batch of them at once, through guarded().
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "pg/postgres.hpp"

// The module is built with -fvisibility=hidden, and PostgreSQL's own macros (PG_MODULE_MAGIC, its
// finfo records) export nothing on this platform unless PGDLLEXPORT says so.
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

namespace globalmart::pg {

// An error of ours. `sqlstate` is one of ERRCODE_..., messages are complete sentences' parts as
// PostgreSQL words them: message without a capital or a full stop, detail and hint with both.
class SqlError : public std::exception {
 public:
  SqlError(int sqlstate, std::string message, std::string detail = {}, std::string hint = {})
      : sqlstate_(sqlstate),
        message_(std::move(message)),
        detail_(std::move(detail)),
        hint_(std::move(hint)) {}

  int sqlstate() const { return sqlstate_; }
  const std::string& message() const { return message_; }
  const std::string& detail() const { return detail_; }
  const std::string& hint() const { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int sqlstate_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

// A PostgreSQL error that guarded() caught. Catching it is not recovery: let it go up to the entry
// guard, or roll back a subtransaction. The data lives in the memory context that was current when
// guarded() was called.
class PgError : public std::exception {
 public:
  explicit PgError(ErrorData* data) : data_(data) {}

  ErrorData* data() const { return data_; }
  int sqlstate() const { return data_->sqlerrcode; }
  const char* what() const noexcept override {
    return data_->message != nullptr ? data_->message : "unknown PostgreSQL error";
  }

 private:
  ErrorData* data_;
};

// Runs function(argument) under PG_TRY. Throws PgError when it raised, std::bad_alloc when there
// was no memory left to copy the error. A C++ exception of the function passes through; in every
// case PG_exception_stack, error_context_stack and the memory context are as they were before (the
// memory context stays as the function left it when it returns).
void run_guarded(void (*function)(void*), void* argument);

// Runs a lambda that calls PostgreSQL and gives back its result. The lambda and what it calls own
// nothing with a destructor; what they need is captured by reference.
template <typename Call>
auto guarded(Call&& call) {
  using Result = std::invoke_result_t<Call&>;
  using Callable = std::remove_reference_t<Call>;
  if constexpr (std::is_void_v<Result>) {
    run_guarded([](void* argument) { (*static_cast<Callable*>(argument))(); },
                const_cast<std::remove_const_t<Callable>*>(&call));
  } else {
    static_assert(std::is_trivially_destructible_v<Result> && std::is_trivially_copyable_v<Result>,
                  "what a guarded call returns may not own anything");
    struct Frame {
      Callable* call;
      Result result;
    } frame{&call, Result{}};
    run_guarded(
        [](void* argument) {
          auto* frame = static_cast<Frame*>(argument);
          frame->result = (*frame->call)();
        },
        &frame);
    return frame.result;
  }
}

// CHECK_FOR_INTERRUPTS for code that owns something with a destructor: cancels by PgError.
inline void check_interrupts() {
  if (INTERRUPTS_PENDING_CONDITION()) guarded([] { CHECK_FOR_INTERRUPTS(); });
}

// What an exception says, in memory of the current context; no destructor, so it survives ereport.
struct Failure {
  ErrorData* postgres = nullptr;  // when set, the rest is not used
  int sqlstate = 0;
  const char* message = nullptr;
  const char* detail = nullptr;
  const char* hint = nullptr;
};

// PostgreSQL's error state at the entry of a function.
struct EntryState {
  sigjmp_buf* exception_stack = PG_exception_stack;
  ErrorContextCallback* context_stack = error_context_stack;
  MemoryContext memory = CurrentMemoryContext;
};

// Describes the exception that is being handled. Call it only inside a catch block.
Failure describe_current_exception(const EntryState& entry) noexcept;

// Restores the state and raises; never returns.
[[noreturn]] void raise_failure(const EntryState& entry, const Failure& failure);

// The guard itself; GLOBALMART_FUNCTION uses it.
template <Datum (*body)(FunctionCallInfo)>
inline Datum enter(FunctionCallInfo fcinfo) {
  const EntryState entry;
  Failure failure;
  try {
    return body(fcinfo);
  } catch (...) {
    failure = describe_current_exception(entry);
  }
  raise_failure(entry, failure);
}

}  // namespace globalmart::pg

#define GLOBALMART_FUNCTION(name)                                  \
  static Datum name##_guarded_body(FunctionCallInfo fcinfo);       \
  extern "C" {                                                     \
  extern PGDLLEXPORT Datum name(FunctionCallInfo);                 \
  extern PGDLLEXPORT const Pg_finfo_record* pg_finfo_##name(void); \
  const Pg_finfo_record* pg_finfo_##name(void) {                   \
    static const Pg_finfo_record my_finfo = {1};                   \
    return &my_finfo;                                              \
  }                                                                \
  Datum name(FunctionCallInfo fcinfo) {                            \
    return ::globalmart::pg::enter<&name##_guarded_body>(fcinfo);  \
  }                                                                \
  }                                                                \
  static Datum name##_guarded_body([[maybe_unused]] FunctionCallInfo fcinfo)
