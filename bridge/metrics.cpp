#include "bridge/metrics.hpp"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace globalmart {

Metrics::Metrics(const Profile& profile, size_t workers)
    : profile_(profile),
      ready_(std::make_unique<std::atomic<bool>[]>(workers + 1)),
      workers_(workers) {
  using namespace prometheus;
  auto& accepted = BuildCounter()
                       .Name("globalmart_bridge_accepted_total")
                       .Help("Messages whose rows were committed.")
                       .Register(registry_);
  auto& duplicates = BuildCounter()
                         .Name("globalmart_bridge_duplicates_total")
                         .Help("Messages dropped because their id was seen before.")
                         .Register(registry_);
  auto& gone = BuildCounter()
                   .Name("globalmart_bridge_gone_offsets_total")
                   .Help("Offsets that retention removed before they were applied.")
                   .Register(registry_);
  auto& dead = BuildCounter()
                   .Name("globalmart_bridge_dead_letters_total")
                   .Help("Messages that went into dead_letters, by reason.")
                   .Register(registry_);
  for (const TopicPlan& topic : profile.topics) {
    TopicCounters counters{};
    counters.accepted = &accepted.Add({{"topic", topic.name}});
    counters.gone = &gone.Add({{"topic", topic.name}});
    counters.duplicates = &duplicates.Add({{"topic", topic.name}});
    for (size_t reason = 1; reason < kReasonCount; ++reason) {
      counters.dead_letters[reason] =
          &dead.Add({{"topic", topic.name},
                     {"reason", std::string(reason_name(static_cast<Reason>(reason)))}});
    }
    topics_.push_back(counters);
  }
  const auto counter = [&](const char* name, const char* help) {
    return &BuildCounter().Name(name).Help(help).Register(registry_).Add({});
  };
  const auto gauge = [&](const char* name, const char* help) {
    return &BuildGauge().Name(name).Help(help).Register(registry_).Add({});
  };
  batches_ = counter("globalmart_bridge_batches_total", "Committed transactions.");
  database_errors_ =
      counter("globalmart_bridge_database_errors_total", "Errors of PostgreSQL or of its link.");
  closed_rows_ =
      counter("globalmart_bridge_closed_rows_total", "Rows appended by closing windows.");
  alerts_ = counter("globalmart_bridge_alerts_sent_total", "Alerts delivered to Kafka.");
  dedup_ids_ = gauge("globalmart_bridge_dedup_ids", "Event ids in the memory of duplicates.");
  dedup_bytes_ = gauge("globalmart_bridge_dedup_bytes", "Memory that these ids take.");
  dedup_capped_ = gauge("globalmart_bridge_dedup_capped",
                        "1 when bridge.dedup_max_ids made it forget ids too early.");
  ready_gauge_ = gauge("globalmart_bridge_ready", "1 when every worker is at work.");
  const auto histogram = [&](const char* name, const char* help,
                             const Histogram::BucketBoundaries& buckets) {
    return &BuildHistogram().Name(name).Help(help).Register(registry_).Add({}, buckets);
  };
  batch_messages_ = histogram("globalmart_bridge_batch_messages", "Messages in a transaction.",
                              {1, 10, 100, 1000, 3000, 10'000, 30'000, 100'000});
  batch_seconds_ = histogram("globalmart_bridge_batch_seconds", "Time to write and commit a batch.",
                             {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10});
  close_seconds_ = histogram("globalmart_bridge_close_seconds", "Time to publish, wait and merge.",
                             {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10});
  lag_ = &BuildGauge()
              .Name("globalmart_bridge_lag_messages")
              .Help("Messages in the topic that are not committed yet.")
              .Register(registry_);
  at_end_ = &BuildGauge()
                 .Name("globalmart_bridge_at_end")
                 .Help("1 when everything in the partition is committed.")
                 .Register(registry_);
}

void Metrics::batch_committed(const Batch& batch, double seconds) {
  batches_->Increment();
  batch_messages_->Observe(static_cast<double>(batch.message_count()));
  batch_seconds_->Observe(seconds);
  message_count_ += batch.message_count();
  for (const auto& [place, advance] : batch.advances()) {
    topics_[place.topic].accepted->Increment(static_cast<double>(advance.accepted));
    topics_[place.topic].duplicates->Increment(static_cast<double>(advance.duplicates));
    accepted_count_ += static_cast<uint64_t>(advance.accepted);
    duplicate_count_ += static_cast<uint64_t>(advance.duplicates);
    dead_letter_count_ += static_cast<uint64_t>(advance.dead_letters);
  }
}

void Metrics::dead_letter(uint32_t topic, Reason reason, uint64_t count) {
  topics_[topic].dead_letters[static_cast<size_t>(reason)]->Increment(static_cast<double>(count));
}

void Metrics::gone(PartitionId place, int64_t first, int64_t end) {
  const std::lock_guard lock(gone_mutex_);
  int64_t& until = gone_until_[place];
  first = std::max(first, until);
  if (first >= end) return;
  topics_[place.topic].gone->Increment(static_cast<double>(end - first));
  until = end;
}

void Metrics::windows_closed(int64_t rows, double seconds) {
  closed_rows_->Increment(static_cast<double>(rows));
  close_seconds_->Observe(seconds);
  rows_closed_count_ += static_cast<uint64_t>(rows);
}

bool Metrics::ready() const {
  for (size_t i = 0; i <= workers_; ++i) {
    if (!ready_[i]) return false;
  }
  return true;
}

std::string Metrics::text(const Dedup& dedup, const Ownership& ownership) {
  const std::lock_guard lock(text_mutex_);
  dedup_ids_->Set(static_cast<double>(dedup.size()));
  dedup_bytes_->Set(static_cast<double>(dedup.memory()));
  dedup_capped_->Set(dedup.capped() ? 1 : 0);
  ready_gauge_->Set(ready() ? 1 : 0);
  for (size_t i = 0; i < partition_gauges_.size(); ++i) {
    (i % 2 == 0 ? lag_ : at_end_)->Remove(partition_gauges_[i]);
  }
  partition_gauges_.clear();
  for (const auto& [place, status] : ownership.snapshot()) {
    const prometheus::Labels labels = {{"topic", profile_.topics[place.topic].name},
                                       {"partition", std::to_string(place.partition)}};
    const int64_t lag = status.end_offset >= 0 && status.next_offset
                            ? std::max<int64_t>(0, status.end_offset - *status.next_offset)
                            : 0;
    partition_gauges_.push_back(&lag_->Add(labels));
    partition_gauges_.back()->Set(static_cast<double>(status.at_end ? 0 : lag));
    partition_gauges_.push_back(&at_end_->Add(labels));
    partition_gauges_.back()->Set(status.at_end ? 1 : 0);
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_.Collect());
  return out.str();
}

}  // namespace globalmart
