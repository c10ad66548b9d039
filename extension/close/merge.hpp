// Merges the partials of a version's windows into groups: what a close appends, or, for open
// windows, what it would append now.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "close/version.hpp"
#include "core/group_table.hpp"
#include "core/partial.hpp"

namespace globalmart::closing {

// Windows with from < window_end <= until.
struct WindowRange {
  Micros from;
  Micros until;
};

// Takes chunks one after another and keeps one group a (window, key).
class Merger {
 public:
  Merger(const Version& version, WindowRange range, std::vector<AggregateSpec> specs);

  // The slices whose partials the windows may need: [first_slice, end_slice).
  Micros first_slice() const;
  Micros end_slice() const;

  // Throws CorruptBytes.
  void take(int64_t stamp, int64_t slice, std::string_view chunk);

  // Joins the segments of sessions and lists the windows. Once, after the last chunk.
  void finish();

  struct Window {
    Micros start;
    Micros end;
    Group* group;
  };
  const std::vector<Window>& windows() const { return windows_; }
  GroupStates& states() { return table_.states(); }

 private:
  // A partial that came after the window was published was late for it, though perhaps not for
  // another rollup of the same plan.
  bool counts(Micros window_end, int64_t stamp) const {
    return window_end > version_.progress.closed_until || stamp < version_.progress.published_seq;
  }
  std::string_view rollup_key(std::string_view plan_key);
  void read_layout(const PartialLayout& layout);
  void merge_states(const PartialLayout& layout, ByteReader& in, Group& group);
  void skip_states(const PartialLayout& layout, ByteReader& in);
  void join_sessions(Group& head);

  const Version& version_;
  WindowRange range_;
  GroupTable table_;
  bool same_keys_ = true;
  // For each state of the chunk at hand: which of our aggregates it is (several may share one).
  std::vector<std::vector<int>> ours_;
  std::vector<PartialLayout::Entry> last_entries_;
  std::vector<Value> fields_;
  std::string key_;
  std::vector<Group*> targets_;
  std::vector<Window> windows_;
};

}  // namespace globalmart::closing
