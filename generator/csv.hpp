#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace globalmart::generator {

/// Reads comma-separated values as RFC 4180 has them: fields may stand in double quotes, and then
/// hold commas, line ends and doubled quotes; lines end with LF or CR LF. Holds no copy: the text
/// must outlive the reader.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  /// Reads the next record into `fields`; false at the end. Where a quote is not closed before the
  /// end of the text or of the longest record, or something follows where it is closed, the record
  /// ends with its first line: the lines behind it are not swallowed.
  bool next(std::vector<std::string>& fields);

 private:
  bool read(std::vector<std::string>& fields, bool one_line);

  std::string_view rest_;
};

}  // namespace globalmart::generator
