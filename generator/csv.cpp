#include "generator/csv.hpp"

namespace globalmart::generator {

bool CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  if (rest_.empty()) return false;
  fields.emplace_back();
  bool quoted = false;
  size_t at = 0;
  for (; at < rest_.size(); ++at) {
    const char c = rest_[at];
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (at + 1 < rest_.size() && rest_[at + 1] == '"') {
        fields.back() += '"';
        ++at;
      } else {
        quoted = false;
      }
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c == '\r' && at + 1 < rest_.size() && rest_[at + 1] == '\n') {
      ++at;
      break;
    } else {
      fields.back() += c;
    }
  }
  rest_.remove_prefix(std::min(at + 1, rest_.size()));
  return true;
}

}  // namespace globalmart::generator
