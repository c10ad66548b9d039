#include "bridge/closing.hpp"

#include <chrono>

namespace globalmart {

int64_t close_windows(Postgres& connection, Closing which, FaultPoint& fault_point,
                      Metrics& metrics) {
  const auto start = std::chrono::steady_clock::now();
  fault_point.pass("before_publish");
  const Rows published =
      connection.query(which == Closing::kAll ? "SELECT globalmart.publish_windows(force => true)"
                                              : "SELECT globalmart.publish_windows()");
  fault_point.pass("after_publish");
  connection.query("SELECT globalmart.wait_for_folds()");
  fault_point.pass("after_wait");
  const std::vector<std::optional<std::string>> parameters = {
      published.is_null(0, 0) ? std::nullopt : std::optional<std::string>(published.text(0, 0))};
  const Rows merged = connection.query("SELECT globalmart.merge_windows($1::bigint)", parameters);
  fault_point.pass("after_merge");
  const int64_t rows = merged.is_null(0, 0) ? 0 : merged.integer(0, 0);
  metrics.windows_closed(
      rows, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return rows;
}

}  // namespace globalmart
