// Feeds bytes to the decoder of messages, as a topic would, with the shipped profile, and encodes
// the rows of what it takes. Any crash, read out of bounds or leak stops it, and so does a verdict
// that another reader of JSON contradicts. See module.mk for how to run it.
//
// The first byte chooses the topic, what follows up to the first line end is the key, and the rest
// is the value; without a line end there is none, and the message is a tombstone.
#include <nlohmann/json.hpp>
#include <string>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/profile.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using namespace globalmart;

const Micros kNow = *parse_timestamp("2026-11-23T00:00:00Z");

const Profile& profile() {
  static const Profile shipped = Profile::shipped();
  return shipped;
}

// As the shop's lists begin.
std::vector<std::string> list_of(const std::string& name) {
  if (name == "countries") return {"USA", "UK", "Germany", "France", "Japan"};
  return {"Laptops", "Smartphones", "Beauty", "PayPal", "Credit Card"};
}

Decoder& decoder() {
  static Decoder* const made = [] {
    auto* const decoder = new Decoder(profile(), DecoderLimits{});
    ListValues lists;
    for (const std::string& name : profile().lists) lists.emplace_back(list_of(name));
    decoder->start_batch(kNow, std::make_shared<const ListValues>(std::move(lists)));
    return decoder;
  }();
  return *made;
}

// What nlohmann's reader has against a text.
class Objection : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Objection(std::string_view text) { found_ = !nlohmann::json::sax_parse(text, this); }
  bool found() const { return found_; }
  // Whether it is one to the text's form: members that no profile names may hold numbers that no
  // double does and halves of surrogate pairs.
  bool to_form() const {
    return found_ && !overflow_ && words_.find("surrogate") == std::string::npos;
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    overflow_ = error.id == 406;
    words_ = error.what();
    return false;
  }

 private:
  bool found_ = false;
  bool overflow_ = false;
  std::string words_;
};

void check_form(Reason reason, std::string_view value) {
  const Objection objection(value);
  if (reason == Reason::kNone) require(!objection.to_form(), "only JSON is taken");
  // nlohmann's reader passes over a byte order mark, and ends at a NUL.
  if ((reason == Reason::kInvalidJson || reason == Reason::kInvalidUtf8) &&
      !value.starts_with("\xef\xbb\xbf") && value.find('\0') == std::string_view::npos)
    require(objection.found(), "JSON is not called invalid");
}

void check_values(const TopicPlan& topic, const Decoded& decoded) {
  require(decoded.event_time >= profile().earliest_time,
          "no event is older than the profile allows");
  require(decoded.event_time <= kNow + DecoderLimits{}.max_future, "no event is of the future");
  require(decoded.values.size() == topic.members.size(), "there is a value for each member");
  for (size_t i = 0; i < topic.members.size(); ++i) {
    const Member& member = topic.members[i];
    const Value& value = decoded.values[i];
    if (member.required == kAllEventTypes && !decoded.deleted)
      require(value.present, "what is required is there");
    if (!value.present || !member.keeps_elements()) continue;
    const size_t width = member.type.kind == ValueKind::kObjects ? member.members.size() : 1;
    require(value.first + value.count * width <= decoded.elements.size(), "elements are kept");
  }
}

// The rows that a message makes, as COPY takes them.
std::string rows_of(size_t topic, const Message& message, const Decoded& decoded) {
  Batch batch(profile());
  batch.add_message({{static_cast<uint32_t>(topic), 0}, 7, message});
  if (decoded.reason == Reason::kNone)
    batch.add_rows(decoded, kNow);
  else
    batch.add_dead_letter(decoded.reason, decoded.detail, kNow);
  std::string rows(batch.dead_letters().rows_of(0, 1));
  for (const Batch::StreamRows& stream : batch.streams())
    for (const Batch::DayRows& day : stream.days) rows += day.rows.rows_of(0, 1);
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t topic = data[0] % profile().topics.size();
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t line_end = input.find('\n');
  const ExactCopy key(input.substr(0, line_end));
  const bool has_value = line_end != std::string_view::npos;
  const ExactCopy value(has_value ? input.substr(line_end + 1) : std::string_view());

  Message message;
  message.key = key.view().data();
  message.key_size = key.view().size();
  if (has_value) message.value = value.view().data();
  message.value_size = value.view().size();
  message.timestamp = kNow;
  message.has_timestamp = true;

  const Decoded& decoded = decoder().decode(topic, message);
  const Reason reason = decoded.reason;
  if (has_value) check_form(reason, value.view());
  if (reason == Reason::kNone) check_values(profile().topics[topic], decoded);
  const std::string rows = rows_of(topic, message, decoded);
  require(!rows.empty(), "a message has rows or is a dead letter");

  // What came in between does not show.
  Message between;
  between.value = "{\"user_id\":[1,\"\\u0041\"]}";
  between.value_size = 24;
  decoder().decode((topic + 1) % profile().topics.size(), between);
  const Decoded& again = decoder().decode(topic, message);
  require(again.reason == reason && rows_of(topic, message, again) == rows,
          "a message means the same each time");
  return 0;
}
