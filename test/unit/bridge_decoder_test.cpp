// Messages against the shipped profile: what is accepted, and each reason why not.
#include <gtest/gtest.h>

#include "bridge/decoder.hpp"

namespace globalmart {
namespace {

constexpr const char* kId = "11111111-2222-3333-4444-555555555555";

class DecoderTest : public testing::Test {
 protected:
  DecoderTest() : profile_(Profile::shipped()), decoder_(profile_, DecoderLimits{}) {
    ListValues lists;
    for (const std::string& name : profile_.lists) {
      lists.emplace_back(name == "countries"
                             ? std::vector<std::string>{"USA", "UK", "Germany", "France", "Japan"}
                             : std::vector<std::string>{"PayPal", "Credit Card"});
    }
    decoder_.start_batch(*parse_timestamp("2026-11-23T00:00:00Z"),
                         std::make_shared<const ListValues>(lists));
  }

  size_t topic(const std::string& key) {
    for (size_t i = 0; i < profile_.topics.size(); ++i) {
      if (profile_.topics[i].key == key) return i;
    }
    ADD_FAILURE() << key;
    return 0;
  }

  const Decoded& decode(const std::string& key, const std::string& value,
                        const std::string& kafka_key = "k") {
    value_ = value;
    key_ = kafka_key;
    Message message;
    message.value = value_.data();
    message.value_size = value_.size();
    message.key = key_.data();
    message.key_size = key_.size();
    return decoder_.decode(topic(key), message);
  }

  std::string reason(const std::string& key, const std::string& value,
                     const std::string& kafka_key = "k") {
    return std::string(reason_name(decode(key, value, kafka_key).reason));
  }

  // An inventory event, the smallest of all, with members added.
  static std::string stock(const std::string& more = "",
                           const std::string& time = "\"2026-11-20T10:00:00Z\"") {
    return std::string("{\"event_id\":\"") + kId +
           "\",\"event_type\":\"stock_update\",\"timestamp\":" + time +
           ",\"product_id\":\"PROD_1\",\"country\":\"USA\",\"stock_level\":5,\"delta\":-7" + more +
           "}";
  }

  const Value& value(const std::string& key, const std::string& member, const Decoded& decoded) {
    const int index = profile_.topics[topic(key)].member_names.find(member);
    EXPECT_GE(index, 0);
    return decoded.values[static_cast<size_t>(index)];
  }

  Profile profile_;
  Decoder decoder_;
  std::string value_;
  std::string key_;
};

TEST_F(DecoderTest, AcceptsAndConverts) {
  const Decoded& decoded = decode("inventory", stock());
  ASSERT_EQ(decoded.reason, Reason::kNone) << decoded.detail;
  EXPECT_EQ(decoded.event_time, *parse_timestamp("2026-11-20T10:00:00Z"));
  EXPECT_EQ(decoded.id.bytes[0], 0x11);
  EXPECT_EQ(value("inventory", "delta", decoded).integer, -7);
  EXPECT_EQ(value("inventory", "product_id", decoded).view(), "PROD_1");
  EXPECT_FALSE(value("inventory", "old_price", decoded).present);
}

TEST_F(DecoderTest, NestedArraysBecomeElements) {
  const Decoded& decoded = decode(
      "transactions",
      std::string("{\"products\":[{\"price\":0.125,\"product_id\":\"PROD_2\",\"quantity\":3},"
                  "{\"quantity\":1,\"x\":[{}],\"product_id\":\"PROD_2\",\"price\":10000}],"
                  "\"transaction_id\":\"") +
          kId +
          "\",\"user_id\":\"USER_1\",\"timestamp\":\"2026-11-20T10:00:00\",\"total_amount\":1.005,"
          "\"payment_method\":\"PayPal\",\"country\":\"UK\"}");
  ASSERT_EQ(decoded.reason, Reason::kNone) << decoded.detail;
  const Value& rows = value("transactions", "products", decoded);
  ASSERT_EQ(rows.count, 2u);
  const Member& member = profile_.topics[topic("transactions")].members[static_cast<size_t>(
      profile_.topics[topic("transactions")].member_names.find("products"))];
  const auto price = static_cast<size_t>(member.member_names.find("price"));
  EXPECT_EQ(to_text(decoded.elements[rows.first + price].units, 2), "0.13");
  EXPECT_EQ(to_text(value("transactions", "total_amount", decoded).units, 2), "1.01");
}

TEST_F(DecoderTest, IgnoredMembersMayHoldAnything) {
  for (const char* more :
       {",\"x\":\"\\u0000\"", ",\"x\":\"\\ud800\"", ",\"y\":1,\"y\":2", ",\"\":{}", ",\"x\":1e400",
        ",\"old_price\":\"not for this type\"", ",\"old_price\":1,\"old_price\":2",
        ",\"x\":{\"timestamp\":1,\"event_id\":[]}", ",\"\\u0000\":0", ",\"\\ud800\":0"}) {
    EXPECT_EQ(reason("inventory", stock(more)), "none") << more;
  }
}

TEST_F(DecoderTest, NamesAreComparedUnescaped) {
  EXPECT_EQ(reason("inventory", stock(",\"d\\u0065lta\":1")), "duplicate_member");
  std::string text = stock();
  text.replace(text.find("timestamp"), 9, "time\\u0073tamp");
  EXPECT_EQ(reason("inventory", text), "none");
}

TEST_F(DecoderTest, NullIsAbsentForOptionalMembers) {
  const std::string cart = std::string("{\"event_id\":\"") + kId +
                           "\",\"event_type\":\"checkout\",\"timestamp\":\"2026-11-20T10:00:00\","
                           "\"user_id\":\"USER_1\",\"session_id\":\"" +
                           kId + "\",\"country\":\"UK\"";
  EXPECT_EQ(reason("cart", cart + ",\"price\":null,\"items\":5}"), "none");
  EXPECT_EQ(reason("cart", cart + ",\"items\":[],\"items\":[]}"), "duplicate_member");
  EXPECT_EQ(reason("cart", cart + ",\"price\":null,\"price\":1}"), "duplicate_member");
  EXPECT_EQ(reason("inventory", stock(",\"z\":1").replace(stock().find("-7"), 2, "null")),
            "missing_member");
}

TEST_F(DecoderTest, SyntaxIsStrictEverywhere) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "{}x",
                           "{}{}",
                           "{\"a\":1",
                           "{\"a\":}",
                           "{\"a\"}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":tru}",
                           "{\"a\":[1,2}",
                           "{\"a\":{\"b\":1]}",
                           "{\"a\":[1,]}",
                           "{\"a\":[,1]}",
                           "{\"a\":1 2}",
                           "{\"a\":\"x\"y\"}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":01}",
                           "{\"a\":\"\t\"}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\\q\":1}",
                           "{\"a\":nul}",
                           "{\"a\":1.}",
                           "{\"a\":[1}",
                           "{\"a\":{\"b\":1}",
                           "\xEF\xBB\xBF{}",
                           "{\"a\":1}]",
                           "[1,2",
                           "{\"a\":+1}",
                           "{\"a\":\"b}",
                           "{\"a\":1\f}",
                           "tru",
                           "1 2",
                           "\"a\"b",
                           "{\"a\":[[1,2],[3}]}"}) {
    EXPECT_EQ(reason("inventory", text), "invalid_json") << text;
  }
  EXPECT_EQ(reason("inventory", std::string("{}\0", 3)), "invalid_json");
  // The same faults inside members that nobody asks for.
  for (const char* more : {",\"x\":tru", ",\"x\":[1,2}", ",\"x\":{\"y\":01}", ",\"x\":\"\\u12\"",
                           ",\"x\":[1 2]", ",\"x\":[{\"a\":1,}]", ",\"x\":-"}) {
    EXPECT_EQ(reason("inventory", stock(more)), "invalid_json") << more;
  }
}

TEST_F(DecoderTest, OnlyObjects) {
  for (const char* text : {"[]", "[{}]", "1", "\"text\"", "null", "true", " -1.5e3 ", "[1,[2]]"}) {
    EXPECT_EQ(reason("inventory", text), "not_an_object") << text;
  }
}

TEST_F(DecoderTest, Utf8) {
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"\xc3\x28\"")), "invalid_utf8");
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"\xed\xa0\x80\"")), "invalid_utf8");
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"\xc0\x80\"")), "invalid_utf8");
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"\xf4\x90\x80\x80\"")), "invalid_utf8");
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"\xf0\x9f\x98\x80\"")), "none");
}

std::string nested(int levels) {
  return std::string(static_cast<size_t>(levels), '[') +
         std::string(static_cast<size_t>(levels), ']');
}

TEST_F(DecoderTest, Depth) {
  EXPECT_EQ(reason("inventory", stock(",\"x\":" + nested(31))), "none");
  EXPECT_EQ(reason("inventory", stock(",\"x\":" + nested(32))), "too_deep");
  EXPECT_EQ(reason("inventory", stock(",\"x\":" + nested(20'000))), "too_deep");
  EXPECT_EQ(reason("inventory", stock(",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"")),
            "none");
}

TEST_F(DecoderTest, Size) {
  const std::string small = stock(",\"x\":\"\"");
  EXPECT_EQ(
      reason("inventory", stock(",\"x\":\"" + std::string(65'536 - small.size(), 'x') + "\"")),
      "none");
  EXPECT_EQ(
      reason("inventory", stock(",\"x\":\"" + std::string(65'537 - small.size(), 'x') + "\"")),
      "too_large");
}

TEST_F(DecoderTest, TextFaults) {
  const auto with_id = [](const std::string& id) {
    std::string text = stock();
    return text.replace(text.find("PROD_1"), 6, id);
  };
  EXPECT_EQ(reason("inventory", with_id("\\u0050ROD_1")), "none");
  EXPECT_EQ(reason("inventory", with_id("PROD_1\\u0000")), "nul_character");
  EXPECT_EQ(reason("inventory", with_id("PROD_\\ud800")), "lone_surrogate");
  EXPECT_EQ(reason("inventory", with_id("PROD_")), "out_of_range");
  EXPECT_EQ(reason("inventory", with_id("prod_1")), "out_of_range");
}

TEST_F(DecoderTest, TypesAndRanges) {
  const auto with_delta = [](const std::string& delta) {
    std::string text = stock();
    return text.replace(text.find("-7"), 2, delta);
  };
  EXPECT_EQ(reason("inventory", with_delta("-2147483648")), "none");
  EXPECT_EQ(reason("inventory", with_delta("-0")), "none");
  EXPECT_EQ(reason("inventory", with_delta("2147483648")), "out_of_range");
  EXPECT_EQ(reason("inventory", with_delta("99999999999999999999999999")), "out_of_range");
  EXPECT_EQ(reason("inventory", with_delta("1.0")), "ill_typed");
  EXPECT_EQ(reason("inventory", with_delta("1e2")), "ill_typed");
  EXPECT_EQ(reason("inventory", with_delta("\"1\"")), "ill_typed");
  EXPECT_EQ(reason("inventory", with_delta("true")), "ill_typed");
  EXPECT_EQ(reason("inventory", with_delta("[1]")), "ill_typed");
  EXPECT_EQ(reason("inventory", with_delta("{}")), "ill_typed");
  std::string text = stock();
  EXPECT_EQ(reason("inventory", text.replace(text.find("USA"), 3, "usa")), "out_of_range");
  text = stock();
  EXPECT_EQ(reason("inventory", text.replace(text.find("stock_update"), 12, "other")),
            "out_of_range");
  text = stock();
  EXPECT_EQ(reason("inventory", text.replace(text.find(kId), 36, "not a uuid")), "out_of_range");
}

TEST_F(DecoderTest, Times) {
  EXPECT_EQ(reason("inventory", stock("", "\"2026-11-23T01:00:00Z\"")), "none");
  EXPECT_EQ(reason("inventory", stock("", "\"2026-11-23T01:00:00.000001Z\"")), "future_timestamp");
  EXPECT_EQ(reason("inventory", stock("", "\"2000-01-01T00:00:00Z\"")), "none");
  EXPECT_EQ(reason("inventory", stock("", "\"1999-12-31T23:59:59.999999Z\"")), "out_of_range");
  EXPECT_EQ(reason("inventory", stock("", "\"2026-11-20T24:00:00Z\"")), "bad_timestamp");
  EXPECT_EQ(reason("inventory", stock("", "1763632800")), "ill_typed");
  EXPECT_EQ(reason("inventory", stock("", "null")), "missing_member");
}

TEST_F(DecoderTest, Tombstones) {
  Message message;
  const Decoded& event = decoder_.decode(topic("inventory"), message);
  EXPECT_EQ(event.reason, Reason::kTombstone);

  const std::string key = "USER_7";
  message.key = key.data();
  message.key_size = key.size();
  message.timestamp = *parse_timestamp("2026-11-20T10:00:00Z");
  message.has_timestamp = true;
  const Decoded& deleted = decoder_.decode(topic("users"), message);
  EXPECT_EQ(deleted.reason, Reason::kNone) << deleted.detail;
  EXPECT_TRUE(deleted.deleted);
  EXPECT_EQ(value("users", "user_id", deleted).view(), "USER_7");
  EXPECT_FALSE(value("users", "country", deleted).present);

  message.key_size = 5;
  EXPECT_EQ(decoder_.decode(topic("users"), message).reason, Reason::kTombstone);
  message.key = nullptr;
  EXPECT_EQ(decoder_.decode(topic("users"), message).reason, Reason::kTombstone);
}

TEST_F(DecoderTest, CatalogueKeys) {
  const std::string user =
      "{\"user_id\":\"USER_7\",\"timestamp\":\"2026-11-20T10:00:00Z\",\"country\":\"UK\","
      "\"preferences\":[\"Home\",\"Toys\"]}";
  EXPECT_EQ(reason("users", user, "USER_7"), "none");
  EXPECT_EQ(reason("users", user, "USER_8"), "out_of_range");
}

TEST_F(DecoderTest, WhatAnEventTypeRequires) {
  const std::string head = std::string("{\"event_id\":\"") + kId +
                           "\",\"timestamp\":\"2026-11-20T10:00:00\",\"user_id\":\"USER_1\","
                           "\"session_id\":\"" +
                           kId + "\",\"country\":\"UK\",";
  EXPECT_EQ(reason("views", head + "\"search_query\":\"x\",\"results_count\":0,"
                                   "\"event_type\":\"search\"}"),
            "none");
  EXPECT_EQ(reason("views", head + "\"results_count\":0,\"event_type\":\"search\"}"),
            "missing_member");
  EXPECT_EQ(reason("views", head + "\"results_count\":0,\"event_type\":\"filter\"}"), "none");
  EXPECT_EQ(reason("views", head + "\"results_count\":0}"), "missing_member");
  const std::string compare = head + "\"event_type\":\"compare\",\"product_names\":[\"a\"],";
  EXPECT_EQ(reason("views", compare + "\"product_ids\":[],\"prices\":[1.5,2]}"), "none");
  EXPECT_EQ(reason("views", compare + "\"product_ids\":[\"x\"],\"prices\":[]}"), "out_of_range");
  EXPECT_EQ(reason("views", compare + "\"product_ids\":[null],\"prices\":[]}"), "ill_typed");
  EXPECT_EQ(reason("views", compare + "\"product_ids\":{},\"prices\":[]}"), "ill_typed");
  EXPECT_EQ(reason("views", compare + "\"product_ids\":[],\"prices\":[\"1\"]}"), "ill_typed");
}

TEST_F(DecoderTest, OrdersHaveOneToFiveLines) {
  const auto order = [](const std::string& products) {
    return std::string("{\"transaction_id\":\"") + kId +
           "\",\"user_id\":\"USER_1\",\"timestamp\":\"2026-11-20T10:00:00\",\"total_amount\":1,"
           "\"payment_method\":\"PayPal\",\"country\":\"UK\",\"products\":" +
           products + "}";
  };
  const std::string line = "{\"product_id\":\"PROD_1\",\"quantity\":1,\"price\":1}";
  EXPECT_EQ(reason("transactions", order("[" + line + "]")), "none");
  EXPECT_EQ(reason("transactions", order("[]")), "out_of_range");
  std::string six = line;
  for (int i = 0; i < 5; ++i) six += "," + line;
  EXPECT_EQ(reason("transactions", order("[" + six + "]")), "out_of_range");
  EXPECT_EQ(reason("transactions", order("[5]")), "ill_typed");
  EXPECT_EQ(reason("transactions", order("[[" + line + "]]")), "ill_typed");
  EXPECT_EQ(reason("transactions", order(line)), "ill_typed");
  EXPECT_EQ(reason("transactions", order("[{\"quantity\":1,\"price\":1}]")), "missing_member");
  EXPECT_EQ(
      reason("transactions",
             order("[{\"product_id\":\"PROD_1\",\"quantity\":1,\"quantity\":1,\"price\":1}]")),
      "duplicate_member");
  EXPECT_EQ(
      reason("transactions", order("[{\"product_id\":\"PROD_1\",\"quantity\":101,\"price\":1}]")),
      "out_of_range");
}

// Every prefix of a message and every message with one byte changed ends in a verdict.
TEST_F(DecoderTest, NothingCrashesIt) {
  const std::string text = stock(",\"x\":[{\"a\":[1,2.5e3,\"\\u00e9\\ud83d\\ude00\",null]}]");
  for (size_t length = 0; length <= text.size(); ++length) {
    decode("inventory", text.substr(0, length));
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'\0', '"', '\\', '{', '}', '[', ']', ',', ':', '1', ' ', '\xff', 'u'}) {
      std::string changed = text;
      changed[at] = c;
      decode("inventory", changed);
      decode("transactions", changed);
      decode("views", changed);
    }
  }
}

}  // namespace
}  // namespace globalmart
