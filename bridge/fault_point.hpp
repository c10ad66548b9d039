// Named points where a test can make the process die as by SIGKILL: "NAME" or "NAME:COUNT" in
// bridge.fault_point, the COUNTth time that the point is passed.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

namespace globalmart {

class FaultPoint {
 public:
  // Empty: never. Throws ConfigError for a name that is not a point.
  explicit FaultPoint(const std::string& setting);
  void pass(std::string_view name);

 private:
  std::string name_;
  std::atomic<long> left_{0};
};

}  // namespace globalmart
