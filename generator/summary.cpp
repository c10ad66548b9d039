#include "generator/summary.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace globalmart::generator {
namespace {

nlohmann::ordered_json counts_json(const TopicCounts& counts) {
  nlohmann::ordered_json json = {{"messages", counts.messages},     {"bytes", counts.bytes},
                                 {"accepted", counts.accepted()},   {"late", counts.late},
                                 {"duplicates", counts.duplicates}, {"corrupt", counts.corrupt}};
  nlohmann::ordered_json reasons = nlohmann::ordered_json::object();
  for (size_t i = 0; i < kCorruptionCount; ++i)
    if (counts.reasons[i] > 0)
      reasons[std::string(name_of(static_cast<Corruption>(i)))] = counts.reasons[i];
  json["corrupt_by_reason"] = std::move(reasons);
  return json;
}

/// Digits in groups of three.
std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string row(std::string_view name, const TopicCounts& counts) {
  char line[200];
  std::snprintf(line, sizeof line, "%-26.*s %14s %14s %10s %10s %10s\n",
                static_cast<int>(name.size()), name.data(), grouped(counts.messages).c_str(),
                grouped(counts.accepted()).c_str(), grouped(counts.late).c_str(),
                grouped(counts.duplicates).c_str(), grouped(counts.corrupt).c_str());
  return line;
}

}  // namespace

TopicCounts Summary::total() const {
  TopicCounts total;
  for (const TopicCounts& topic : topics_) {
    total.messages += topic.messages;
    total.bytes += topic.bytes;
    total.late += topic.late;
    total.duplicates += topic.duplicates;
    total.corrupt += topic.corrupt;
    for (size_t i = 0; i < kCorruptionCount; ++i) total.reasons[i] += topic.reasons[i];
  }
  return total;
}

std::string Summary::text(const TopicNames& names) const {
  char line[200];
  std::snprintf(line, sizeof line, "%-26s %14s %14s %10s %10s %10s\n", "topic", "messages",
                "accepted", "of it late", "duplicates", "corrupt");
  std::string text = line;
  for (size_t i = 0; i < kTopicCount; ++i)
    if (topics_[i].messages > 0) text += row(names[i], topics_[i]);
  const TopicCounts all = total();
  text += row("all", all);
  for (const auto& [name, count] : figures) text += name + ": " + grouped(count) + "\n";
  for (const auto& [name, note] : notes) text += name + ": " + note + "\n";
  for (const auto& [reason, count] : rejections)
    text += "rejected, " + reason + ": " + grouped(count) + "\n";
  std::snprintf(line, sizeof line, "delivered %s, failed %s, in %.2f s: %s messages/s\n",
                grouped(delivered).c_str(), grouped(failed).c_str(), seconds,
                grouped(seconds > 0 ? static_cast<uint64_t>(all.messages / seconds) : 0).c_str());
  text += line;
  for (const auto& [reason, count] : failures)
    text += "failed, " + reason + ": " + grouped(count) + "\n";
  if (interrupted) text += "interrupted\n";
  return text;
}

std::string Summary::json(const TopicNames& names) const {
  nlohmann::ordered_json json;
  json["topics"] = nlohmann::ordered_json::object();
  for (size_t i = 0; i < kTopicCount; ++i) json["topics"][names[i]] = counts_json(topics_[i]);
  json["total"] = counts_json(total());
  json["figures"] = figures;
  json["notes"] = notes;
  json["rejections"] = rejections;
  json["delivered"] = delivered;
  json["failed"] = failed;
  json["failures"] = failures;
  json["seconds"] = seconds;
  json["interrupted"] = interrupted;
  return json.dump(2) + "\n";
}

}  // namespace globalmart::generator
