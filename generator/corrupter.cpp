#include "generator/corrupter.hpp"

#include <algorithm>
#include <array>

namespace globalmart::generator {
namespace {

constexpr size_t kMaxMessageBytes = 65'536;  // the contract's max_message_bytes
constexpr int kMaxDepth = 32;                // the contract's, the message itself is level 1

/// Behind `"name":` of the event itself, npos without it. What stands in the products of an order
/// or the items of a checkout is not meant: readers do not look into the items.
size_t value_position(std::string_view event, std::string_view name) {
  const std::string_view own = event.substr(
      0, std::min({event.size(), event.find("\"items\":["), event.find("\"products\":[")}));
  std::string member = "\"";
  member.append(name).append("\":");
  const size_t at = (name == "country" ? event : own).find(member);
  return at == std::string_view::npos ? at : at + member.size();
}

/// Replaces the text value of a member, quotes included.
void replace_text(std::string& event, std::string_view name, std::string_view value) {
  const size_t from = value_position(event, name);
  const size_t to = event.find('"', from + 1) + 1;
  event.replace(from, to - from, value);
}

void add_member(std::string& event, std::string_view member) {
  event.insert(1, std::string(member).append(","));
}

/// Puts characters at the front of a text that the contract does not bind to a pattern, if the
/// event has one, else of an id.
void insert_into_text(std::string& event, std::string_view characters) {
  for (std::string_view name : {"search_query", "product_name", "user_id", "product_id"}) {
    const size_t at = value_position(event, name);
    if (at == std::string_view::npos) continue;
    event.insert(at + 1, characters);
    return;
  }
}

std::string_view who(std::string_view event) {
  return value_position(event, "user_id") != std::string_view::npos ? "user_id" : "product_id";
}

void break_syntax(std::string& event, Random& random) {
  switch (random.below(6)) {
    case 0:
      event.clear();
      break;
    case 1:
      event = "<event>" + std::to_string(random.below(1'000'000)) + "</event>";
      break;
    case 2:
      event.insert(event.size() - 1, ",");
      break;
    case 3:
      event.erase(event.find(':'), 1);
      break;
    case 4:
      event.append("}");
      break;
    default:
      event.resize(1 + random.below(event.size() - 1));
      break;
  }
}

}  // namespace

void corrupt(Corruption how, std::string_view event, Random& random, std::string& spoiled) {
  spoiled.assign(event);
  switch (how) {
    case Corruption::kTombstone:
      spoiled.clear();
      break;
    case Corruption::kTooLarge:
      add_member(spoiled, "\"padding\":\"" + std::string(kMaxMessageBytes, 'x') + "\"");
      break;
    case Corruption::kInvalidUtf8:
      add_member(spoiled, "\"note\":\"caf\xe9\"");
      break;
    case Corruption::kInvalidJson:
      break_syntax(spoiled, random);
      break;
    case Corruption::kTooDeep:
      add_member(spoiled, "\"note\":" + std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']'));
      break;
    case Corruption::kDuplicateMember:
      add_member(spoiled, "\"timestamp\":\"2020-02-02T02:02:02Z\"");
      break;
    case Corruption::kNulCharacter:
      insert_into_text(spoiled, "\\u0000");
      break;
    case Corruption::kLoneSurrogate:
      insert_into_text(spoiled, "\\ud83d");
      break;
    case Corruption::kNotAnObject:
      switch (random.below(4)) {
        case 0:
          spoiled = "42";
          break;
        case 1:
          spoiled = "null";
          break;
        case 2:
          spoiled = "\"event\"";
          break;
        default:
          spoiled = "[" + spoiled + "]";
          break;
      }
      break;
    case Corruption::kMissingMember: {
      const std::array<std::string_view, 2> names = {"timestamp", who(spoiled)};
      const std::string_view name = names[random.below(names.size())];
      spoiled.insert(value_position(spoiled, name) - 2, "_was");
      break;
    }
    case Corruption::kIllTyped: {
      const std::array<std::string_view, 2> names = {"timestamp", who(spoiled)};
      replace_text(spoiled, names[random.below(names.size())], "17");
      break;
    }
    case Corruption::kOutOfRange:
      if (random.below(2) == 0)
        replace_text(spoiled, who(spoiled), "\"nobody\"");
      else
        replace_text(
            spoiled,
            value_position(spoiled, "country") != std::string::npos ? "country" : who(spoiled),
            "\"Atlantis\"");
      break;
    case Corruption::kBadTimestamp: {
      constexpr std::array<std::string_view, 4> kTimes = {
          "\"yesterday\"", "\"2025-02-30T10:00:00Z\"", "\"20/11/2025 10:00\"",
          "\"2025-11-20T24:00:00Z\""};
      replace_text(spoiled, "timestamp", kTimes[random.below(kTimes.size())]);
      break;
    }
    case Corruption::kFutureTimestamp:
      replace_text(spoiled, "timestamp", "\"9998-12-31T23:59:59.999999Z\"");
      break;
  }
}

}  // namespace globalmart::generator
