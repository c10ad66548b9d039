#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace globalmart::generator {

/// A recording keeps the messages of a topic in a file TOPIC.ndjson or TOPIC.ndjson.gz, a line a
/// message in order of arrival, split at 0x0A only, the bytes as in the topic. Messages that a
/// line cannot hold: an empty line is a message of zero bytes; `\N` and a key is a null value with
/// that key (no key when nothing follows); `\B` and base64 are bytes with a 0x0A in them, or that
/// begin with a backslash. Keys of other messages are not kept: they follow from the body.

struct RecordedMessage {
  std::optional<std::string_view> key;    // given for null values only
  std::optional<std::string_view> value;  // without: a null value
};

/// Appends the line of a message, 0x0A included.
void append_recorded(std::optional<std::string_view> key, std::optional<std::string_view> value,
                     std::string& out);

/// Reads one line (without 0x0A). `storage` holds what had to be decoded.
/// Throws std::runtime_error for a backslash that begins nothing known, or broken base64.
RecordedMessage parse_recorded(std::string_view line, std::string& storage);

/// Calls `take` for each line of a file, unpacked when it is gzip's. A last line without 0x0A
/// counts. Throws std::runtime_error when the file cannot be read or is cut off.
/// `take` returns false to stop early.
void read_lines(const std::string& path, const std::function<bool(std::string_view)>& take);

}  // namespace globalmart::generator
