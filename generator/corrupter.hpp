#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "generator/message.hpp"
#include "generator/random.hpp"

namespace globalmart::generator {

/// Spoils an event in one of the ways of the contract's dead-letter reasons.
/// `event` is an event as the shop writes it (not of the catalogue); `spoiled` receives the new
/// value and is meaningless for kTombstone, whose value is null. Uses nothing but its arguments.
void corrupt(Corruption how, std::string_view event, Random& random, std::string& spoiled);

}  // namespace globalmart::generator
