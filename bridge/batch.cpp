#include "bridge/batch.hpp"

namespace globalmart {

namespace {

constexpr uint16_t kOwnColumns = 3;  // received_at, kafka_partition, kafka_offset
constexpr uint16_t kDeadLetterColumnCount = 8;

uint32_t type_oid(const Column& column) {
  switch (column.kind) {
    case ValueKind::kUuid:
      return 2950;
    case ValueKind::kTimestamp:
      return 1184;
    case ValueKind::kInteger:
      return column.wide ? 20 : 23;
    case ValueKind::kDecimal:
      return 1700;
    case ValueKind::kBoolean:
      return 16;
    default:
      return 25;
  }
}

void write_scalar(FieldWriter& fields, const Column& column, const Value& value) {
  switch (column.kind) {
    case ValueKind::kUuid:
      fields.uuid(value.uuid);
      break;
    case ValueKind::kTimestamp:
      fields.timestamptz(value.integer);
      break;
    case ValueKind::kInteger:
      if (column.wide) {
        fields.int8(value.integer);
      } else {
        fields.int4(static_cast<int32_t>(value.integer));
      }
      break;
    case ValueKind::kDecimal:
      fields.numeric(value.units, column.scale);
      break;
    case ValueKind::kBoolean:
      fields.boolean(value.integer != 0);
      break;
    default:
      fields.text(value.view());
      break;
  }
}

void write_value(FieldWriter& fields, const Column& column, const Value& value,
                 const std::vector<Value>& elements) {
  if (!column.array) {
    write_scalar(fields, column, value);
    return;
  }
  const size_t start = fields.begin_array(type_oid(column), value.count);
  for (uint32_t i = 0; i < value.count; ++i) {
    write_scalar(fields, column, elements[value.first + i]);
  }
  fields.end_array(start);
}

}  // namespace

Batch::Batch(const Profile& profile) : profile_(profile) {
  streams_of_topic_.resize(profile.topics.size());
  for (size_t topic = 0; topic < profile.topics.size(); ++topic) {
    for (const StreamPlan& plan : profile.topics[topic].streams) {
      streams_of_topic_[topic].push_back(streams_.size());
      StreamRows stream;
      stream.topic = static_cast<uint32_t>(topic);
      stream.plan = &plan;
      streams_.push_back(std::move(stream));
    }
  }
}

void Batch::clear() {
  for (StreamRows& stream : streams_) {
    // Buffers of days that the last batches did not touch are given back.
    std::erase_if(stream.days, [](const DayRows& day) { return !day.used; });
    for (DayRows& day : stream.days) {
      day.rows.clear();
      day.used = false;
    }
    stream.latest = 0;
  }
  dead_letters_.clear();
  messages_.clear();
  advances_.clear();
  last_advance_ = nullptr;
}

size_t Batch::row_bytes() const {
  size_t size = dead_letters_.size();
  for (const StreamRows& stream : streams_) {
    for (const DayRows& day : stream.days) size += day.rows.size();
  }
  return size;
}

void Batch::add_message(const BatchMessage& message) { messages_.push_back(message); }

Batch::DayRows& Batch::rows_of_day(StreamRows& stream, int32_t day) {
  if (stream.latest < stream.days.size() && stream.days[stream.latest].day == day) {
    return stream.days[stream.latest];
  }
  for (size_t i = 0; i < stream.days.size(); ++i) {
    if (stream.days[i].day == day) {
      stream.latest = i;
      return stream.days[i];
    }
  }
  stream.latest = stream.days.size();
  stream.days.emplace_back().day = day;
  return stream.days.back();
}

void Batch::add_rows(const Decoded& decoded, Micros received_at) {
  for (const size_t index : streams_of_topic_[messages_.back().place.topic]) {
    StreamRows& stream = streams_[index];
    if (stream.plan->rows < 0) {
      add_row(stream, decoded, received_at, 0, nullptr);
      continue;
    }
    const auto member_index = static_cast<size_t>(stream.plan->rows);
    const Value& rows = decoded.values[member_index];
    if (!rows.present) continue;
    const size_t width = profile_.topics[stream.topic].members[member_index].members.size();
    for (uint32_t line = 0; line < rows.count; ++line) {
      add_row(stream, decoded, received_at, line + 1, &decoded.elements[rows.first + line * width]);
    }
  }
}

void Batch::add_row(StreamRows& stream, const Decoded& decoded, Micros received_at, uint32_t line,
                    const Value* element) {
  DayRows& day = rows_of_day(stream, day_of(decoded.event_time));
  day.used = true;
  const auto columns = static_cast<uint16_t>(stream.plan->columns.size());
  FieldWriter& fields = day.rows.add_row(static_cast<uint32_t>(messages_.size() - 1),
                                         static_cast<uint16_t>(columns + kOwnColumns));
  for (const Column& column : stream.plan->columns) {
    switch (column.source.kind) {
      case ColumnSource::Kind::kMember: {
        const Value* value = nullptr;
        for (const uint16_t member : column.source.members) {
          if (decoded.values[member].present) {
            value = &decoded.values[member];
            break;
          }
        }
        if (value == nullptr) {
          fields.null();
        } else {
          write_value(fields, column, *value, decoded.elements);
        }
        break;
      }
      case ColumnSource::Kind::kElementMember: {
        const Value& value = element[column.source.members.front()];
        if (value.present) {
          write_value(fields, column, value, decoded.elements);
        } else {
          fields.null();
        }
        break;
      }
      case ColumnSource::Kind::kLine:
        fields.int4(static_cast<int32_t>(line));
        break;
      case ColumnSource::Kind::kTime:
        fields.timestamptz(decoded.event_time);
        break;
      case ColumnSource::Kind::kDeleted:
        fields.boolean(decoded.deleted);
        break;
    }
  }
  const BatchMessage& message = messages_.back();
  fields.timestamptz(received_at);
  fields.int4(message.place.partition);
  fields.int8(message.offset);
}

void Batch::encode_dead_letter(FieldWriter& fields, std::string_view topic,
                               const BatchMessage& message, std::string_view reason,
                               std::string_view detail, Micros received_at) {
  fields.text(topic);
  fields.int4(message.place.partition);
  fields.int8(message.offset);
  fields.text(reason);
  if (detail.empty()) {
    fields.null();
  } else {
    fields.text(detail);
  }
  if (message.message.key == nullptr) {
    fields.null();
  } else {
    fields.bytea(message.message.key_view());
  }
  if (message.message.value == nullptr) {
    fields.null();
  } else {
    fields.bytea(message.message.value_view());
  }
  fields.timestamptz(received_at);
}

void Batch::add_dead_letter(Reason reason, std::string_view detail, Micros received_at) {
  const BatchMessage& message = messages_.back();
  FieldWriter& fields =
      dead_letters_.add_row(static_cast<uint32_t>(messages_.size() - 1), kDeadLetterColumnCount);
  encode_dead_letter(fields, profile_.topics[message.place.topic].name, message,
                     reason_name(reason), detail, received_at);
}

std::string Batch::copy_columns(const StreamPlan& plan) {
  std::string columns;
  for (const Column& column : plan.columns) {
    columns += '"';
    for (const char c : column.name) columns.append(c == '"' ? 2 : 1, c);
    columns += "\", ";
  }
  return columns + "received_at, kafka_partition, kafka_offset";
}

}  // namespace globalmart
