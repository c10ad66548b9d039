#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "generator/message.hpp"

namespace globalmart::generator {

/// What was sent to one topic.
struct TopicCounts {
  uint64_t messages = 0;
  uint64_t bytes = 0;                                // of values
  uint64_t late = 0;                                 // held back on purpose; a part of the messages
  uint64_t duplicates = 0;                           // repetitions
  uint64_t corrupt = 0;                              // spoiled
  std::array<uint64_t, kCorruptionCount> reasons{};  // of the spoiled

  /// Messages that a reader must accept (deletes of the catalogue included).
  uint64_t accepted() const { return messages - duplicates - corrupt; }
};

/// What a run did: counts by topic, and further figures by name.
class Summary {
 public:
  void count(const Message& message) {
    TopicCounts& topic = topics_[index_of(message.topic)];
    ++topic.messages;
    topic.bytes += message.value ? message.value->size() : 0;
    topic.late += message.late;
    topic.duplicates += message.duplicate;
    if (message.corruption) {
      ++topic.corrupt;
      ++topic.reasons[static_cast<size_t>(*message.corruption)];
    }
  }

  const TopicCounts& topic(Topic topic) const { return topics_[index_of(topic)]; }
  TopicCounts total() const;

  /// A figure of this run alone, such as rejected lines; shown and written with the rest.
  std::map<std::string, std::string> notes;    // text
  std::map<std::string, uint64_t> figures;     // counts, by name
  std::map<std::string, uint64_t> rejections;  // counts, by reason
  uint64_t delivered = 0;                      // confirmed by the broker or written
  uint64_t failed = 0;                         // refused or given up
  std::map<std::string, uint64_t> failures;    // by the broker's words
  double seconds = 0;                          // of wall time
  bool interrupted = false;

  /// A table for people.
  std::string text(const TopicNames& names) const;
  /// All of it as a JSON object.
  std::string json(const TopicNames& names) const;

 private:
  std::array<TopicCounts, kTopicCount> topics_;
};

}  // namespace globalmart::generator
