// The errors that parts of the bridge throw at each other. What a message of a topic has wrong is
// not an error but a verdict (see decoder.hpp).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace globalmart {

// The configuration or the profile cannot be used. what() names the key and says what to do.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A statement failed, or the connection did. Infrastructure and data errors are told apart by
// SQLSTATE; a lost connection has none.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(std::string sqlstate, const std::string& message)
      : std::runtime_error(message), sqlstate_(std::move(sqlstate)) {}

  const std::string& sqlstate() const { return sqlstate_; }
  // The connection is gone; whether the last statement took effect is not known.
  bool connection_lost() const { return sqlstate_.empty(); }
  // Another bridge owns one of the partitions now.
  bool fenced() const { return sqlstate_ == "GM001"; }
  // The error lies in what a row says, so that leaving the row out lets the others in.
  bool caused_by_data() const;
  // A leaf that was looked up earlier no longer takes these rows: it was dropped or split off.
  bool stale_leaf() const { return sqlstate_ == "42P01" || sqlstate_ == "23514"; }

 private:
  std::string sqlstate_;
};

// The database may hold less than this process has committed: what is remembered of it is void.
class DatabaseSetBack : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The state of a topic contradicts the stored offsets: going on would lose or double events.
// The process must end and say why.
class TopicMismatch : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The Kafka client failed for good (fatal error, bad settings).
class KafkaError : public std::runtime_error {
 public:
  enum class Kind : uint8_t {
    kOther,
    kRefused,  // the broker or its certificate was looked at and will not do
    kFenced,   // another process has joined the group by our name
  };

  explicit KafkaError(const std::string& message, Kind kind = Kind::kOther)
      : std::runtime_error(message), kind_(kind) {}

  bool refused() const { return kind_ == Kind::kRefused; }
  bool fenced() const { return kind_ == Kind::kFenced; }

 private:
  Kind kind_;
};

}  // namespace globalmart
