// Rows as COPY BINARY wants them, and how a batch cuts them by day and message.
#include <gtest/gtest.h>

#include "bridge/batch.hpp"
#include "bridge/row_buffer.hpp"

namespace globalmart {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    text += digits;
  }
  return text;
}

template <typename Write>
std::string encoded(Write write) {
  FieldWriter fields;
  write(fields);
  return hex(fields.bytes(0, fields.size()));
}

std::string numeric(Int128 units, int scale) {
  return encoded([&](FieldWriter& f) { f.numeric(units, scale); });
}

// The expected bytes are what numeric_send of PostgreSQL 15 gives for the same values.
TEST(FieldWriter, Numeric) {
  EXPECT_EQ(numeric(0, 2),
            "00000008"
            "0000000000000002");
  EXPECT_EQ(numeric(1, 2),
            "0000000a"
            "0001ffff00000002"
            "0064");
  EXPECT_EQ(numeric(100, 2),
            "0000000a"
            "0001000000000002"
            "0001");
  EXPECT_EQ(numeric(12345, 2),
            "0000000c"
            "0002000000000002"
            "007b"
            "1194");
  EXPECT_EQ(numeric(-12345, 2),
            "0000000c"
            "0002000040000002"
            "007b"
            "1194");
  EXPECT_EQ(numeric(1000000, 2),
            "0000000a"
            "0001000100000002"
            "0001");
  EXPECT_EQ(numeric(1, 6),
            "0000000a"
            "0001fffe00000006"
            "0064");
  EXPECT_EQ(numeric(1500000, 6),
            "0000000c"
            "0002000000000006"
            "0001"
            "1388");
  EXPECT_EQ(numeric(7, 0),
            "0000000a"
            "0001000000000000"
            "0007");
  // 10^28 + 1 at scale 0: more than 64 bits.
  Int128 big = 1;
  for (int i = 0; i < 28; ++i) big *= 10;
  EXPECT_EQ(numeric(big + 1, 0),
            "00000018"
            "0008000700000000"
            "0001000000000000"
            "0000000000000001");
}

TEST(FieldWriter, OtherTypes) {
  EXPECT_EQ(encoded([](FieldWriter& f) { f.int4(-2); }), "00000004fffffffe");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.int8(1); }), "000000080000000000000001");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.boolean(true); }), "0000000101");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.text("ab"); }), "000000026162");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.text(""); }), "00000000");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.null(); }), "ffffffff");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.timestamptz(kPostgresEpoch + 1); }),
            "000000080000000000000001");
  EXPECT_EQ(encoded([](FieldWriter& f) { f.timestamptz(kPostgresEpoch - 1); }),
            "00000008ffffffffffffffff");
}

TEST(FieldWriter, Arrays) {
  EXPECT_EQ(encoded([](FieldWriter& f) { f.end_array(f.begin_array(25, 0)); }),
            "0000000c"
            "00000000"
            "00000000"
            "00000019");
  EXPECT_EQ(encoded([](FieldWriter& f) {
              const size_t start = f.begin_array(25, 2);
              f.text("a");
              f.text("");
              f.end_array(start);
            }),
            "0000001d"
            "00000001"
            "00000000"
            "00000019"
            "00000002"
            "00000001"
            "0000000161"
            "00000000");
}

TEST(FieldWriter, GrowsWithoutLosingAnything) {
  FieldWriter fields;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    fields.int4(i);
    char digits[17];
    std::snprintf(digits, sizeof digits, "00000004%08x", static_cast<unsigned>(i));
    expected += digits;
  }
  EXPECT_EQ(hex(fields.bytes(0, fields.size())), expected);
}

TEST(RowBuffer, CutsByMessage) {
  RowBuffer rows;
  const uint32_t messages[] = {0, 0, 2, 5};
  for (const uint32_t message : messages) {
    rows.add_row(message, 1).int4(static_cast<int32_t>(message));
  }
  EXPECT_EQ(rows.rows_of(0, 1).size(), 2 * 10u);
  EXPECT_EQ(rows.rows_of(1, 2).size(), 0u);
  EXPECT_EQ(hex(rows.rows_of(2, 5)), "00010000000400000002");
  EXPECT_EQ(rows.rows_of(0, 6).size(), 4 * 10u);
  EXPECT_EQ(rows.rows_of(6, 9).size(), 0u);
}

TEST(BatchRows, OneRowALineAndOneBufferADay) {
  const Profile profile = Profile::shipped();
  size_t topic = 0;
  while (profile.topics[topic].key != "transactions") ++topic;
  Decoder decoder(profile, DecoderLimits{});
  ListValues lists;
  for (const std::string& name : profile.lists) {
    lists.emplace_back(std::vector<std::string>{name == "countries" ? "UK" : "PayPal"});
  }
  decoder.start_batch(*parse_timestamp("2026-11-23T00:00:00Z"),
                      std::make_shared<const ListValues>(lists));
  Batch batch(profile);
  const std::string days[] = {"2026-11-20T23:59:59.999999", "2026-11-21T00:00:00",
                              "2026-11-20T10:00:00"};
  std::vector<std::string> texts;
  for (const std::string& day : days) {
    texts.push_back(
        "{\"transaction_id\":\"11111111-2222-3333-4444-555555555555\",\"user_id\":\"USER_1\","
        "\"timestamp\":\"" +
        day +
        "\",\"total_amount\":1,\"payment_method\":\"PayPal\",\"country\":\"UK\",\"products\":["
        "{\"product_id\":\"PROD_1\",\"quantity\":1,\"price\":1},"
        "{\"product_id\":\"PROD_2\",\"quantity\":2,\"price\":1}]}");
  }
  int64_t offset = 0;
  for (const std::string& text : texts) {
    Message message;
    message.value = text.data();
    message.value_size = text.size();
    const Decoded& decoded = decoder.decode(topic, message);
    ASSERT_EQ(decoded.reason, Reason::kNone) << decoded.detail;
    batch.add_message({{static_cast<uint32_t>(topic), 1}, offset++, message});
    batch.add_rows(decoded, 0);
  }
  for (const Batch::StreamRows& stream : batch.streams()) {
    if (stream.topic != topic) continue;
    ASSERT_EQ(stream.days.size(), 2u);
    const size_t lines = stream.plan->stream == "transaction_items" ? 2 : 1;
    EXPECT_EQ(day_text(stream.days[0].day), "2026-11-20");
    EXPECT_EQ(stream.days[0].rows.row_count(), 2 * lines);
    EXPECT_EQ(stream.days[1].rows.row_count(), lines);
    EXPECT_TRUE(stream.days[0].rows.rows_of(1, 2).empty());
  }
  batch.clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.row_bytes(), 0u);
}

}  // namespace
}  // namespace globalmart
