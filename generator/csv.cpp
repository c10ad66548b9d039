#include "generator/csv.hpp"

namespace globalmart::generator {
namespace {

// Of a record that holds line ends. A quote that is open for longer was never closed.
constexpr size_t kMostBytes = 65'536;

}  // namespace

bool CsvReader::next(std::vector<std::string>& fields) {
  if (rest_.empty()) return false;
  return read(fields, false) || read(fields, true);
}

// With `one_line` every line end ends the record; without it false where a quote makes no sense.
bool CsvReader::read(std::vector<std::string>& fields, bool one_line) {
  fields.assign(1, "");
  bool quoted = false;
  bool closed = false;  // a quote: the field is over
  size_t at = 0;
  for (; at < rest_.size(); ++at) {
    const char c = rest_[at];
    const bool ends_line =
        c == '\n' || (c == '\r' && at + 1 < rest_.size() && rest_[at + 1] == '\n');
    if (ends_line && (!quoted || one_line)) {
      at += c == '\r';
      break;
    }
    if (quoted) {
      if (!one_line && at >= kMostBytes) return false;
      if (c != '"') {
        fields.back() += c;
      } else if (at + 1 < rest_.size() && rest_[at + 1] == '"') {
        fields.back() += '"';
        ++at;
      } else {
        quoted = false;
        closed = true;
      }
    } else if (c == ',') {
      fields.emplace_back();
      closed = false;
    } else if (closed && !one_line) {
      return false;
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else {
      fields.back() += c;
    }
  }
  if (quoted && !one_line) return false;
  rest_.remove_prefix(std::min(at + 1, rest_.size()));
  return true;
}

}  // namespace globalmart::generator
