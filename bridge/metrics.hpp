// What the bridge counts, in Prometheus' terms; and whether it is ready. Thread-safe.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/dedup.hpp"
#include "bridge/ownership.hpp"
#include "bridge/profile.hpp"

namespace globalmart {

class Metrics {
 public:
  Metrics(const Profile& profile, size_t workers);

  void batch_committed(const Batch& batch, double seconds);
  void dead_letter(uint32_t topic, Reason reason, uint64_t count);
  // Offsets of a partition that retention removed before they were applied, [first, end). Those
  // that were told before are not counted again.
  void gone(PartitionId place, int64_t first, int64_t end);
  void database_error() { database_errors_->Increment(); }
  void windows_closed(int64_t rows, double seconds);
  void alerts_sent(size_t count) { alerts_->Increment(static_cast<double>(count)); }

  // A worker is ready when it has a connection and its partitions, the closer (it tries the
  // database every second, whether messages come or not) when it has a connection.
  void set_ready(size_t worker, bool ready) { ready_[worker] = ready; }
  void set_closer_ready(bool ready) { ready_[workers_] = ready; }
  bool ready() const;

  // The text format, with the gauges brought up to date.
  std::string text(const Dedup& dedup, const Ownership& ownership);

  uint64_t messages() const { return message_count_; }
  uint64_t accepted() const { return accepted_count_; }
  uint64_t duplicates() const { return duplicate_count_; }
  uint64_t dead_letters() const { return dead_letter_count_; }
  uint64_t rows_closed() const { return rows_closed_count_; }

 private:
  const Profile& profile_;
  prometheus::Registry registry_;
  struct TopicCounters {
    prometheus::Counter* accepted;
    prometheus::Counter* duplicates;
    prometheus::Counter* gone;
    std::array<prometheus::Counter*, kReasonCount> dead_letters;
  };
  std::vector<TopicCounters> topics_;
  prometheus::Counter* batches_;
  prometheus::Counter* database_errors_;
  prometheus::Counter* closed_rows_;
  prometheus::Counter* alerts_;
  prometheus::Histogram* batch_messages_;
  prometheus::Histogram* batch_seconds_;
  prometheus::Histogram* close_seconds_;
  prometheus::Gauge* dedup_ids_;
  prometheus::Gauge* dedup_bytes_;
  prometheus::Gauge* dedup_capped_;
  prometheus::Gauge* ready_gauge_;
  prometheus::Family<prometheus::Gauge>* lag_;
  prometheus::Family<prometheus::Gauge>* at_end_;
  std::mutex text_mutex_;
  std::vector<prometheus::Gauge*> partition_gauges_;
  std::mutex gone_mutex_;
  std::map<PartitionId, int64_t> gone_until_;  // counted

  std::unique_ptr<std::atomic<bool>[]> ready_;
  const size_t workers_;
  std::atomic<uint64_t> message_count_{0};
  std::atomic<uint64_t> accepted_count_{0};
  std::atomic<uint64_t> duplicate_count_{0};
  std::atomic<uint64_t> dead_letter_count_{0};
  std::atomic<uint64_t> rows_closed_count_{0};
};

}  // namespace globalmart
