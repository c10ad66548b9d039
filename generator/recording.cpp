#include "generator/recording.hpp"

#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

namespace globalmart::generator {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(std::string_view bytes, std::string& out) {
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (size_t i = 0; i < 4; ++i) out += i <= count ? kBase64[group >> (18 - 6 * i) & 63] : '=';
  }
}

void decode_base64(std::string_view text, std::string& out) {
  out.clear();
  if (text.size() % 4 != 0) throw std::runtime_error("base64 of a wrong length");
  uint32_t group = 0;
  size_t count = 0;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  for (char c : text.substr(0, text.size() - padding)) {
    const size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) throw std::runtime_error("a character that is not base64");
    group = group << 6 | static_cast<uint32_t>(digit);
    if (++count % 4 != 0) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(group >> shift);
    group = 0;
  }
  if (padding == 1) {
    out += static_cast<char>(group >> 10);
    out += static_cast<char>(group >> 2);
  } else if (padding == 2) {
    out += static_cast<char>(group >> 4);
  }
}

struct CloseFile {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

}  // namespace

void append_recorded(std::optional<std::string_view> key, std::optional<std::string_view> value,
                     std::string& out) {
  if (!value) {
    out.append("\\N").append(key.value_or(""));
  } else if (value->starts_with('\\') || value->find('\n') != std::string_view::npos) {
    out.append("\\B");
    append_base64(*value, out);
  } else {
    out.append(*value);
  }
  out += '\n';
}

RecordedMessage parse_recorded(std::string_view line, std::string& storage) {
  if (!line.starts_with('\\')) return {std::nullopt, line};
  const std::string_view rest = line.substr(std::min<size_t>(2, line.size()));
  if (line.starts_with("\\N")) {
    if (rest.empty()) return {};
    return {rest, std::nullopt};
  }
  if (!line.starts_with("\\B")) throw std::runtime_error("a line begins with an unknown backslash");
  decode_base64(rest, storage);
  return {std::nullopt, storage};
}

void read_lines(const std::string& path, const std::function<bool(std::string_view)>& take) {
  const std::unique_ptr<gzFile_s, CloseFile> file(gzopen(path.c_str(), "rb"));
  if (!file) throw std::runtime_error("cannot open " + path + ": " + std::strerror(errno));
  gzbuffer(file.get(), 1 << 18);
  std::vector<char> block(1 << 20);
  std::string begun;  // a line that goes on in the next block
  for (;;) {
    const int got = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (got < 0) {
      int code = 0;
      throw std::runtime_error("cannot read " + path + ": " + gzerror(file.get(), &code));
    }
    if (got == 0) break;
    std::string_view rest(block.data(), static_cast<size_t>(got));
    for (size_t end; (end = rest.find('\n')) != std::string_view::npos;
         rest.remove_prefix(end + 1)) {
      std::string_view line = rest.substr(0, end);
      if (!begun.empty()) line = begun.append(line);
      if (!take(line)) return;
      begun.clear();
    }
    begun.append(rest);
  }
  int code = Z_OK;
  const char* const words = gzerror(file.get(), &code);
  if (code != Z_OK && code != Z_STREAM_END)
    throw std::runtime_error("cannot read " + path + ": " + words);
  if (!begun.empty()) take(begun);
}

}  // namespace globalmart::generator
