// Feeds texts to the reader of profiles. A text is refused by a ConfigError, or makes a profile
// that a decoder and a batch can be made of. Any crash, other exception, read out of bounds or leak
// stops it. See module.mk for how to run it.
#include <string>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/error.hpp"
#include "bridge/profile.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using namespace globalmart;

// An event whose members have the names of the topic's first, so that values are converted, too.
std::string event_of(const TopicPlan& topic) {
  std::string text = "{";
  for (const Member& member : topic.members) {
    if (text.size() > 1) text += ",";
    text += "\"" + member.name + "\":";
    switch (member.type.kind) {
      case ValueKind::kTimestamp:
        text += "\"2026-11-22T10:00:00Z\"";
        break;
      case ValueKind::kUuid:
        text += "\"00000000-0000-4000-8000-000000000001\"";
        break;
      case ValueKind::kInteger:
      case ValueKind::kDecimal:
        text += "1";
        break;
      case ValueKind::kBoolean:
        text += "true";
        break;
      default:
        text += "\"" + member.type.pattern_text + "\"";
    }
  }
  return text + "}";
}

void use(const Profile& profile) {
  Decoder decoder(profile, DecoderLimits{});
  const Micros now = *parse_timestamp("2026-11-23T00:00:00Z");
  decoder.start_batch(now, std::make_shared<const ListValues>(profile.lists.size()));
  Batch batch(profile);
  for (size_t i = 0; i < profile.topics.size(); ++i) {
    const TopicPlan& topic = profile.topics[i];
    require(topic.time >= 0, "a topic has a time");
    require(!topic.streams.empty(), "and somewhere to go");
    for (const StreamPlan& stream : topic.streams) {
      require(!Batch::copy_columns(stream).empty(), "rows have columns");
      for (const Column& column : stream.columns)
        require(!column_type(column).empty(), "a column has a type");
    }
    const std::string event = event_of(topic);
    for (const std::string_view value : {std::string_view(event), std::string_view()}) {
      Message message;
      message.value = value.data();  // the second one's is null: a tombstone
      message.value_size = value.size();
      message.key = "1";
      message.key_size = 1;
      batch.add_message({{static_cast<uint32_t>(i), 0}, 1, message});
      const Decoded& decoded = decoder.decode(i, message);
      if (decoded.reason == Reason::kNone)
        batch.add_rows(decoded, now);
      else
        batch.add_dead_letter(decoded.reason, decoded.detail, now);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ExactCopy text(data, size);
  try {
    use(Profile::parse(text.view(), "fuzz"));
  } catch (const ConfigError&) {
  }
  return 0;
}
