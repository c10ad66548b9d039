#include "generator/message_key.hpp"

#include <nlohmann/json.hpp>

namespace globalmart::generator {
namespace {

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r')) ++at;
  return at;
}

/// The end of a string's inside that begins at `at`; npos when it is not closed.
size_t closing_quote(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '"') return at;
    if (text[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

/// Unescapes the string between these quotes into `storage`.
std::optional<std::string_view> unescape(std::string_view quoted, std::string& storage) {
  const nlohmann::json value = nlohmann::json::parse(quoted, nullptr, false);
  if (!value.is_string()) return std::nullopt;
  storage = value.get<std::string>();
  return storage;
}

}  // namespace

std::optional<std::string_view> find_text_member(std::string_view message, std::string_view member,
                                                 std::string& storage) {
  for (size_t at = message.find(member); at != std::string_view::npos;
       at = message.find(member, at + 1)) {
    size_t after = at + member.size();
    if (at == 0 || message[at - 1] != '"' || after >= message.size() || message[after] != '"')
      continue;
    after = skip_space(message, after + 1);
    if (after >= message.size() || message[after] != ':') continue;
    after = skip_space(message, after + 1);
    if (after >= message.size() || message[after] != '"') continue;
    const size_t end = closing_quote(message, after + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = message.substr(after + 1, end - after - 1);
    if (inside.find('\\') == std::string_view::npos) return inside;
    return unescape(message.substr(after, end + 1 - after), storage);
  }
  if (message.find('\\') == std::string_view::npos) return std::nullopt;
  const nlohmann::json parsed = nlohmann::json::parse(message, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  const auto found = parsed.find(std::string(member));
  if (found == parsed.end() || !found->is_string()) return std::nullopt;
  storage = found->get<std::string>();
  return storage;
}

}  // namespace globalmart::generator
