// The verdicts on messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace globalmart {

// Why a message is a dead letter.
enum class Reason : uint8_t {
  kNone,
  kTombstone,
  kTooLarge,
  kInvalidUtf8,
  kInvalidJson,
  kTooDeep,
  kDuplicateMember,
  kNulCharacter,
  kLoneSurrogate,
  kNotAnObject,
  kMissingMember,
  kIllTyped,
  kOutOfRange,
  kBadTimestamp,
  kFutureTimestamp,
  kRejectedByDatabase,
};
inline constexpr size_t kReasonCount = 16;

// As in dead_letters.reason.
std::string_view reason_name(Reason reason);

}  // namespace globalmart
