#include "bridge/fault_point.hpp"

#include <csignal>
#include <cstdlib>
#include <vector>

#include "bridge/error.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

FaultPoint::FaultPoint(const std::string& setting) {
  if (setting.empty()) return;
  const size_t colon = setting.find(':');
  name_ = setting.substr(0, colon);
  left_ = colon == std::string::npos ? 1 : std::atol(setting.c_str() + colon + 1);
  static const std::vector<std::string> kNames = {
      "before_begin",   "after_offsets", "in_copy",    "before_commit", "after_commit",
      "before_publish", "after_publish", "after_wait", "after_merge"};
  for (const std::string& name : kNames) {
    if (name == name_) return;
  }
  const std::string hint = closest(name_, kNames);
  throw ConfigError("bridge.fault_point: no point '" + name_ + "'" +
                    (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
}

void FaultPoint::pass(std::string_view name) {
  if (name_.empty() || name != name_) return;
  if (--left_ == 0) raise(SIGKILL);
}

}  // namespace globalmart
