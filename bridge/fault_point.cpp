#include "bridge/fault_point.hpp"

#include <charconv>
#include <csignal>
#include <vector>

#include "bridge/error.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

FaultPoint::FaultPoint(const std::string& setting) {
  if (setting.empty()) return;
  const size_t colon = setting.find(':');
  name_ = setting.substr(0, colon);
  long count = 1;
  if (colon != std::string::npos) {
    const char* const end = setting.data() + setting.size();
    const auto [stop, error] = std::from_chars(setting.data() + colon + 1, end, count);
    if (error != std::errc() || stop != end || count < 1) {
      throw ConfigError("bridge.fault_point: '" + setting.substr(colon + 1) +
                        "' is not a number of passes from 1");
    }
  }
  left_ = count;
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
