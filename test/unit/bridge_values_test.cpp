// Values as the contract has them: decimals, timestamps, UUIDs, escapes, patterns.
#include <gtest/gtest.h>

#include "bridge/decimal.hpp"
#include "bridge/error.hpp"
#include "bridge/instant.hpp"
#include "bridge/json_value.hpp"
#include "bridge/pattern.hpp"
#include "bridge/text_table.hpp"
#include "bridge/uuid.hpp"

namespace globalmart {
namespace {

TEST(NumberForm, FollowsTheGrammarOfJson) {
  for (const char* text : {"0", "-0", "7", "-12", "2147483648"}) {
    EXPECT_EQ(number_form(text), NumberForm::kInteger) << text;
  }
  for (const char* text : {"0.0", "-0.5", "1e5", "1E+5", "1e-5", "12.50e0", "0e0"}) {
    EXPECT_EQ(number_form(text), NumberForm::kFraction) << text;
  }
  for (const char* text : {"", "-", "+1", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "0x1",
                           "1_0", "NaN", "Infinity", "1 ", "1,", "--1", "1e5.0"}) {
    EXPECT_EQ(number_form(text), NumberForm::kInvalid) << text;
  }
}

std::string rounded(const char* text, int scale) {
  const auto units = Decimal::parse(text)->rounded(scale);
  return units ? to_text(*units, scale) : "too large";
}

TEST(Decimal, RoundsHalfAwayFromZero) {
  EXPECT_EQ(rounded("0.125", 2), "0.13");
  EXPECT_EQ(rounded("-0.125", 2), "-0.13");
  EXPECT_EQ(rounded("0.135", 2), "0.14");
  EXPECT_EQ(rounded("0.005", 2), "0.01");
  EXPECT_EQ(rounded("0.0049999999999999999999999", 2), "0.00");
  EXPECT_EQ(rounded("0.995", 2), "1.00");
  EXPECT_EQ(rounded("99.995", 2), "100.00");
  EXPECT_EQ(rounded("1e-9", 2), "0.00");
  EXPECT_EQ(rounded("5E+3", 2), "5000.00");
  EXPECT_EQ(rounded("0.00000001e8", 2), "1.00");
  EXPECT_EQ(rounded("59.970000000000006", 2), "59.97");
  EXPECT_EQ(rounded("-0.0", 2), "0.00");
  EXPECT_EQ(rounded("12", 0), "12");
  EXPECT_EQ(rounded("0e400", 2), "0.00");
  EXPECT_EQ(rounded("1e400", 2), "too large");
  EXPECT_EQ(rounded("1e-99999999999999999999", 2), "0.00");
}

TEST(Decimal, ComparesExactlyWhateverTheForm) {
  const auto compare = [](const char* a, const char* b) {
    return Decimal::parse(a)->compare(*Decimal::parse(b));
  };
  EXPECT_EQ(compare("10000", "1e4"), 0);
  EXPECT_EQ(compare("10000.000", "1E+4"), 0);
  EXPECT_EQ(compare("-0", "0"), 0);
  EXPECT_EQ(compare("10000.0000000000000000001", "10000"), 1);
  EXPECT_EQ(compare("9999.9999999999999999999", "10000"), -1);
  EXPECT_EQ(compare("-1e-400", "0"), -1);
  EXPECT_EQ(compare("1e99999999999999999999", "1e400"), 1);
  EXPECT_EQ(compare("-5", "-4"), -1);
}

TEST(DecimalRange, ChecksTheNumberAsItArrived) {
  const DecimalRange price(Decimal::parse("0"), Decimal::parse("10000"), 2);
  Int128 value = 0;
  const auto convert = [&](const char* text) { return price.convert(text, value); };
  EXPECT_EQ(convert("9999.995"), DecimalRange::Result::kOk);
  EXPECT_EQ(to_text(value, 2), "10000.00");
  EXPECT_EQ(convert("10000.001"), DecimalRange::Result::kOutOfRange);
  EXPECT_EQ(convert("10000.0000000000000000000000000001"), DecimalRange::Result::kOutOfRange);
  EXPECT_EQ(convert("-0.001"), DecimalRange::Result::kOutOfRange);
  EXPECT_EQ(convert("-0.000"), DecimalRange::Result::kOk);
  EXPECT_EQ(to_text(value, 2), "0.00");
  EXPECT_EQ(convert("1e4"), DecimalRange::Result::kOk);
  EXPECT_EQ(convert("1e400"), DecimalRange::Result::kOutOfRange);
  EXPECT_EQ(convert("0.00500000000000000000000000001"), DecimalRange::Result::kOk);
  EXPECT_EQ(to_text(value, 2), "0.01");
}

// The quick path must give what the exact one gives.
TEST(DecimalRange, QuickPathEqualsTheExactOne) {
  const DecimalRange range(Decimal::parse("-1000"), Decimal::parse("1000.5"), 2);
  for (const char* sign : {"", "-"}) {
    for (int whole : {0, 1, 9, 10, 999, 1000, 1001}) {
      for (const char* fraction : {"", ".0", ".5", ".004", ".005", ".0049", ".995", ".500001",
                                   ".4999999", ".500000", ".123456789"}) {
        const std::string text = sign + std::to_string(whole) + fraction;
        const std::string slow =
            text + (text.find('.') == std::string::npos ? ".0" : "") + "00000000000000000000";
        Int128 quick_value = -1, slow_value = -1;
        EXPECT_EQ(range.convert(text, quick_value), range.convert(slow, slow_value)) << text;
        EXPECT_EQ(to_text(quick_value, 2), to_text(slow_value, 2)) << text;
      }
    }
  }
}

TEST(Timestamp, ReadsTheContractsForms) {
  EXPECT_EQ(parse_timestamp("2000-01-01T00:00:00"), kPostgresEpoch);
  EXPECT_EQ(parse_timestamp("2000-01-01T00:00:00Z"), kPostgresEpoch);
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00.5"), 500'000);
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00.000001Z"), 1);
  EXPECT_EQ(parse_timestamp("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(parse_timestamp("1969-12-31T08:01:00-15:59"), kMicrosPerDay - kMicrosPerDay);
  EXPECT_EQ(parse_timestamp("2024-02-29T23:59:59.999999+15:59").has_value(), true);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.999999Z"), -1);
}

TEST(Timestamp, RefusesEverythingElse) {
  for (const char* text : {"",
                           "2026-11-20",
                           "2026-11-20 10:00:00",
                           "2026-11-20T10:00",
                           "2026-11-20T10:00:00z",
                           "2026-11-20t10:00:00Z",
                           "2026-11-20T24:00:00",
                           "2026-11-20T10:60:00",
                           "2026-11-20T10:00:60",
                           "2026-02-29T10:00:00",
                           "2026-13-01T10:00:00",
                           "2026-00-01T10:00:00",
                           "2026-11-00T10:00:00",
                           "2026-11-31T10:00:00",
                           "2026-11-20T10:00:00.",
                           "2026-11-20T10:00:00.1234567",
                           "2026-11-20T10:00:00+1:00",
                           "2026-11-20T10:00:00+16:00",
                           "2026-11-20T10:00:00+01:60",
                           "2026-11-20T10:00:00+0100",
                           "2026-11-20T10:00:00Z ",
                           " 2026-11-20T10:00:00",
                           "12026-11-20T10:00:00",
                           "2026-11-20T1a:00:00",
                           "2026-11-20T10:00:00 Z",
                           "2026-11-20T10:00:00,5"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

TEST(Instant, DaysAndTexts) {
  EXPECT_EQ(day_of(-1), -1);
  EXPECT_EQ(day_of(0), 0);
  EXPECT_EQ(day_text(day_of(*parse_timestamp("2026-11-20T23:59:59.999999"))), "2026-11-20");
  EXPECT_EQ(instant_text(*parse_timestamp("2026-11-20T10:00:00.000007")),
            "2026-11-20 10:00:00.000007+00");
}

TEST(UuidText, AnyCaseAnyVersion) {
  Uuid uuid;
  EXPECT_TRUE(parse_uuid("00112233-4455-6677-8899-aABBCCddeeFF", uuid));
  EXPECT_EQ(uuid.bytes[0], 0x00);
  EXPECT_EQ(uuid.bytes[4], 0x44);
  EXPECT_EQ(uuid.bytes[10], 0xaa);
  EXPECT_EQ(uuid.bytes[15], 0xff);
  for (const char* text :
       {"", "00112233445566778899aabbccddeeff", "{00112233-4455-6677-8899-aabbccddeeff}",
        "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899-aabbccddeef",
        "0011223-34455-6677-8899-aabbccddeeff", " 0112233-4455-6677-8899-aabbccddeeff"}) {
    EXPECT_FALSE(parse_uuid(text, uuid)) << text;
  }
}

// A token as a message has it, with readable bytes behind.
Token token_of(std::string text) {
  static std::string storage;
  storage = std::move(text);
  const size_t size = storage.size();
  storage.append(64, ' ');
  return scalar_token({storage.data(), size});
}

TEST(ScalarToken, IsExactlyOneScalar) {
  EXPECT_EQ(token_of("true").kind, TokenKind::kTrue);
  EXPECT_EQ(token_of("false  \n").kind, TokenKind::kFalse);
  EXPECT_EQ(token_of("null").kind, TokenKind::kNull);
  EXPECT_EQ(token_of("12").kind, TokenKind::kInteger);
  EXPECT_EQ(token_of("1e2").kind, TokenKind::kFraction);
  EXPECT_EQ(token_of("\"abc\"").kind, TokenKind::kText);
  EXPECT_EQ(token_of("\"\"").size, 0u);
  EXPECT_EQ(token_of("\"a\\nb\"").kind, TokenKind::kEscapedText);
  EXPECT_EQ(token_of("\"0123456789abcdef0123456789\\u00e9\"").kind, TokenKind::kEscapedText);
  for (const char* text : {"", "tru", "truex", "nul", "TRUE", "\"a", "\"", "\"a\"b\"", "\"\\x\"",
                           "\"\\u12g4\"", "\"\\u123\"", "\"\\\"", "1 2", "]", "}", ",", "'a'"}) {
    EXPECT_EQ(token_of(text).kind, TokenKind::kInvalid) << text;
  }
}

struct Text {
  std::string text;
  bool nul;
  bool lone;
};

Text unescaped(const std::string& raw) {
  std::string out(raw.size(), '\0');
  const Unescaped result = unescape(raw, out.data());
  out.resize(result.size);
  return {out, result.nul, result.lone_surrogate};
}

TEST(Unescape, AllEscapes) {
  EXPECT_EQ(unescaped("\\\"\\\\\\/\\b\\f\\n\\r\\t").text, "\"\\/\b\f\n\r\t");
  EXPECT_EQ(unescaped("\\u0041\\u00e9\\u20AC").text, "A\xc3\xa9\xe2\x82\xac");
  EXPECT_EQ(unescaped("\\ud83d\\ude00!").text, "\xf0\x9f\x98\x80!");
  EXPECT_TRUE(unescaped("a\\u0000b").nul);
  EXPECT_FALSE(unescaped("\\\\u0000").nul);
  EXPECT_EQ(unescaped("\\\\u0000").text, "\\u0000");
}

TEST(Unescape, LoneSurrogates) {
  for (const char* raw : {"\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u0041",
                          "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00"}) {
    EXPECT_TRUE(unescaped(raw).lone) << raw;
  }
  EXPECT_FALSE(unescaped("\\ud83d\\ude00").lone);
}

TEST(PatternMatch, WholeTextByteByByte) {
  const Pattern user("USER_[0-9]{1,20}");
  EXPECT_TRUE(user.matches("USER_1"));
  EXPECT_TRUE(user.matches("USER_12345678901234567890"));
  for (const char* text : {"USER_", "USER_123456789012345678901", "user_1", "USER_1 ", " USER_1",
                           "USER_1a", "USER_\xd9\xa1", ""}) {
    EXPECT_FALSE(user.matches(text)) << text;
  }
  EXPECT_FALSE(user.matches(std::string_view("USER_1\0", 7)));
}

TEST(PatternMatch, TheLanguage) {
  EXPECT_TRUE(Pattern("(ab|c)*d?").matches("abcab"));
  EXPECT_TRUE(Pattern("(ab|c)*d?").matches(""));
  EXPECT_FALSE(Pattern("(ab|c)*d?").matches("abd1"));
  EXPECT_TRUE(Pattern("\\d{5}[A-Z]{0,2}").matches("85123A"));
  EXPECT_TRUE(Pattern("[^,]+").matches("anything else"));
  EXPECT_FALSE(Pattern("[^,]+").matches("a,b"));
  EXPECT_TRUE(Pattern("[a\\]-]+").matches("a]-"));
  EXPECT_TRUE(Pattern("x{2,}").matches("xxxxx"));
  EXPECT_FALSE(Pattern("x{2,}").matches("x"));
  EXPECT_TRUE(Pattern("a\\.b").matches("a.b"));
  EXPECT_FALSE(Pattern("a\\.b").matches("axb"));
  // What makes backtracking matchers slow is one look-up a byte here.
  EXPECT_FALSE(Pattern("(a*)*b").matches(std::string(10'000, 'a')));
}

TEST(PatternMatch, RefusesWhatItCannotRead) {
  for (const char* text : {"(", ")", "a)", "[a", "*a", "a{2", "a{3,2}", "a{x}", "\\", "\\q", "a**",
                           "[z-a]", "x{9999}"}) {
    EXPECT_THROW(Pattern{text}, ConfigError) << text;
  }
}

TEST(Table, FindsWhatIsThere) {
  const TextTable table({"a", "bb", "ccc", ""});
  EXPECT_EQ(table.find("bb"), 1);
  EXPECT_EQ(table.find(""), 3);
  EXPECT_EQ(table.find("b"), -1);
  EXPECT_EQ(TextTable().find("a"), -1);
}

}  // namespace
}  // namespace globalmart
