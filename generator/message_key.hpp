#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace globalmart::generator {

/// The text of a member of a message that may be broken: what stands behind the first `"member":`
/// as a JSON string, unescaped. Without one, and where a whole message spells the name with
/// escapes, the member of the parsed message; nothing when there is none. `storage` may come to
/// hold the text.
std::optional<std::string_view> find_text_member(std::string_view message, std::string_view member,
                                                 std::string& storage);

}  // namespace globalmart::generator
