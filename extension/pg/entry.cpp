#include "pg/entry.hpp"

#include <new>
#include <stdexcept>

#include "core/bytes.hpp"

namespace globalmart::pg {

namespace {

// Puts PostgreSQL's error stacks back, also when a C++ exception leaves the frame.
class ErrorStacks {
 public:
  ErrorStacks() = default;
  ErrorStacks(const ErrorStacks&) = delete;
  ErrorStacks& operator=(const ErrorStacks&) = delete;
  ~ErrorStacks() {
    PG_exception_stack = exception_stack_;
    error_context_stack = context_stack_;
  }

 private:
  sigjmp_buf* exception_stack_ = PG_exception_stack;
  ErrorContextCallback* context_stack_ = error_context_stack;
};

// A copy of PostgreSQL's pending error in the current context, which it takes off the error stack;
// null when there is no memory for the copy.
ErrorData* take_error() {
  ErrorData* volatile copy = nullptr;
  PG_TRY();
  { copy = CopyErrorData(); }
  PG_CATCH();
  { copy = nullptr; }
  PG_END_TRY();
  FlushErrorState();
  return copy;
}

// A copy of text that ereport can read after the exception is gone; null when there is no memory.
const char* keep(const EntryState& entry, std::string_view text) noexcept {
  if (text.empty()) return nullptr;
  auto* copy = static_cast<char*>(MemoryContextAllocExtended(entry.memory, text.size() + 1,
                                                             MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

}  // namespace

void run_guarded(void (*function)(void*), void* argument) {
  const MemoryContext memory = CurrentMemoryContext;
  volatile bool failed = false;
  ErrorData* volatile error = nullptr;
  {
    const ErrorStacks stacks;
    PG_TRY();
    { function(argument); }
    PG_CATCH();
    {
      MemoryContextSwitchTo(memory);
      failed = true;
      error = take_error();
    }
    PG_END_TRY();
  }
  if (!failed) return;
  if (error == nullptr) throw std::bad_alloc();
  throw PgError(error);
}

Failure describe_current_exception(const EntryState& entry) noexcept {
  Failure failure;
  try {
    throw;
  } catch (const PgError& error) {
    failure.postgres = error.data();
  } catch (const SqlError& error) {
    failure.sqlstate = error.sqlstate();
    failure.message = keep(entry, error.message());
    failure.detail = keep(entry, error.detail());
    failure.hint = keep(entry, error.hint());
  } catch (const std::bad_alloc&) {
    failure.sqlstate = ERRCODE_OUT_OF_MEMORY;
    failure.message = "out of memory";
  } catch (const std::overflow_error& error) {
    failure.sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
    failure.message = keep(entry, error.what());
  } catch (const CorruptBytes& error) {
    failure.sqlstate = ERRCODE_DATA_CORRUPTED;
    failure.message = keep(entry, error.what());
  } catch (const std::exception& error) {
    failure.sqlstate = ERRCODE_INTERNAL_ERROR;
    failure.message = keep(entry, error.what());
  } catch (...) {
    failure.sqlstate = ERRCODE_INTERNAL_ERROR;
    failure.message = "unknown C++ exception";
  }
  return failure;
}

void raise_failure(const EntryState& entry, const Failure& failure) {
  PG_exception_stack = entry.exception_stack;
  error_context_stack = entry.context_stack;
  MemoryContextSwitchTo(entry.memory);
  if (failure.postgres != nullptr) ReThrowError(failure.postgres);
  ereport(ERROR, (errcode(failure.sqlstate),
                  errmsg_internal("%s", failure.message != nullptr ? failure.message
                                                                   : "error without a message"),
                  failure.detail != nullptr ? errdetail_internal("%s", failure.detail) : 0,
                  failure.hint != nullptr ? errhint("%s", failure.hint) : 0));
  pg_unreachable();
}

}  // namespace globalmart::pg
