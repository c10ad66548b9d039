// Recordings and the replay of a real data set.

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "generator/csv.hpp"
#include "generator/online_retail.hpp"
#include "generator/recording.hpp"
#include "generator/transport.hpp"

namespace globalmart::generator {
namespace {

using Json = nlohmann::json;
using Fields = std::vector<std::string>;

/// A folder of its own for a test.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() / ("generator-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ / name; }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  read_lines(path, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  return lines;
}

TEST(Recording, KeepsEveryKindOfMessage) {
  const std::string with_newline = "{\n\t}\r\n";
  const std::string all_bytes = [] {
    std::string bytes = "\\";
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  for (const std::string& value :
       {std::string(), std::string("{}"), with_newline, all_bytes, std::string("\\N"),
        std::string("a\n"), std::string("ab\n"), std::string("\xff\r")}) {
    std::string line, storage;
    append_recorded("key", value, line);
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const RecordedMessage message = parse_recorded(line, storage);
    EXPECT_EQ(message.value, value);
    EXPECT_FALSE(message.key);
  }
  std::string line, storage;
  append_recorded("USER_1", std::nullopt, line);
  EXPECT_EQ(line, "\\NUSER_1\n");
  const RecordedMessage deleted = parse_recorded("\\NUSER_1", storage);
  EXPECT_FALSE(deleted.value);
  EXPECT_EQ(deleted.key, "USER_1");
  EXPECT_FALSE(parse_recorded("\\N", storage).key);
  EXPECT_FALSE(parse_recorded("\\N", storage).value);
}

TEST(Recording, RefusesWhatItDoesNotKnow) {
  std::string storage;
  for (const char* line : {"\\", "\\x", "\\Babc", "\\Bab!d"})
    EXPECT_THROW(parse_recorded(line, storage), std::runtime_error) << line;
}

TEST(Recording, ReadsPlainAndPackedFiles) {
  const Folder folder;
  const std::string text = "one\n\ntwo\r\nthree";
  const std::vector<std::string> expected = {"one", "", "two\r", "three"};
  std::ofstream(folder / "plain.ndjson", std::ios::binary) << text;
  EXPECT_EQ(lines_of(folder / "plain.ndjson"), expected);
  gzFile_s* const packed = gzopen((folder / "packed.ndjson.gz").c_str(), "wb");
  gzwrite(packed, text.data(), static_cast<unsigned>(text.size()));
  gzclose(packed);
  EXPECT_EQ(lines_of(folder / "packed.ndjson.gz"), expected);
  EXPECT_THROW(lines_of(folder / "absent.ndjson"), std::runtime_error);
}

TEST(Recording, ACutOffFileIsAnError) {
  const Folder folder;
  const std::string path = folder / "cut.ndjson.gz";
  gzFile_s* const packed = gzopen(path.c_str(), "wb");
  for (int i = 0; i < 50'000; ++i) gzprintf(packed, "line %d of many\n", i * 7919);
  gzclose(packed);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THROW(lines_of(path), std::runtime_error);
}

TEST(FileTransport, WritesWhatCanBeReadAgain) {
  const Folder folder;
  Destination destination;
  destination.directory = folder / "out";
  const auto transport = open_file_transport(destination, {Topic::kUsers});
  transport->send({Topic::kUsers, 0, "USER_1", "{\"user_id\":\"USER_1\"}"});
  transport->send({Topic::kUsers, 0, "USER_1", std::nullopt});
  Summary summary;
  transport->finish(summary);
  EXPECT_EQ(summary.delivered, 2U);
  EXPECT_EQ(lines_of(folder / "out/users-topic.ndjson"),
            (std::vector<std::string>{"{\"user_id\":\"USER_1\"}", "\\NUSER_1"}));
}

TEST(FileTransport, RefusesTwoTopicsInOneFile) {
  const Folder folder;
  Destination destination;
  destination.directory = folder / "out";
  destination.topics[index_of(Topic::kCart)] = "users-topic";
  EXPECT_THROW(open_file_transport(destination, {Topic::kCart, Topic::kUsers}), std::runtime_error);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_NO_THROW(open_file_transport(destination, {Topic::kTransactions, Topic::kUsers}))
      << "the other one is not written";
}

TEST(Csv, ReadsQuotes) {
  CsvReader reader("a,\"b, c\",\"d \"\"e\"\"\"\r\n\"two\nlines\",,\nlast\"x\",");
  Fields fields;
  ASSERT_TRUE(reader.next(fields));
  EXPECT_EQ(fields, (Fields{"a", "b, c", "d \"e\""}));
  ASSERT_TRUE(reader.next(fields));
  EXPECT_EQ(fields, (Fields{"two\nlines", "", ""}));
  ASSERT_TRUE(reader.next(fields));
  EXPECT_EQ(fields, (Fields{"last\"x\"", ""}));
  EXPECT_FALSE(reader.next(fields));
}

TEST(Csv, AQuoteThatIsNotClosedEndsWithItsLine) {
  const auto records = [](const std::string& text) {
    CsvReader reader(text);
    std::vector<Fields> all;
    for (Fields fields; reader.next(fields);) all.push_back(fields);
    return all;
  };
  using Records = std::vector<Fields>;
  EXPECT_EQ(records("a,\"b\nc,d\r\ne\n"), (Records{{"a", "b"}, {"c", "d"}, {"e"}}));
  EXPECT_EQ(records("\"a\r\nb"), (Records{{"a"}, {"b"}}));
  EXPECT_EQ(records("a,\"b"), (Records{{"a", "b"}}));
  // A later quote that begins a field does not close it.
  EXPECT_EQ(records("a,\"b\nc,\"d, e\"\nf\n"), (Records{{"a", "b"}, {"c", "d, e"}, {"f"}}));
  EXPECT_EQ(records("\"a\"b,c\nd\n"), (Records{{"ab", "c"}, {"d"}}));
  // Nor is a record longer than any that somebody writes.
  const std::string lines(100'000, '\n');
  EXPECT_EQ(records("\"a" + lines + "\"\n").size(), 100'001U);
  EXPECT_EQ(records("\"a" + lines.substr(0, 1000) + "\"\n").size(), 1U);
}

constexpr const char* kHeader =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

TEST(OnlineRetail, EveryLineIsAnEventsOrRejected) {
  OnlineRetail shop;
  shop.read(std::string(kHeader) +
            "536367,21730,\"LAMP, 7\"\" RED\",6,2010-12-01 08:34:00,2.1,13047.0,United Kingdom\n"
            "536365,71053,LANTERN,2,2010-12-01 08:26:00,3.395,17850.0,EIRE\n"
            "536365,85123A,HEART,1,2010-12-01 08:27:00,10,17850.0,EIRE\n"
            "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\n"
            "C536380,D,Discount,-1,2010-12-01 09:41:00,27.5,,United Kingdom\n"
            "536414,22139,,-56,2010-12-01 11:52:00,0.0,,United Kingdom\n"
            "536415,22139,X,-56,2010-12-01 11:52:00,0.0,14527.0,United Kingdom\n"
            "536416,22139,X,5,2010-12-01 11:52:00,-0.0,14527.0,United Kingdom\n"
            "536417,22139,X,five,2010-12-01 11:52:00,1.0,14527.0,United Kingdom\n"
            "536417,22139,X,5,yesterday,1.0,14527.0,United Kingdom\n"
            "536417,22139,caf\xe9,5,2010-12-01 11:52:00,1.0,14527.0,United Kingdom\n"
            "536365,22139,X,5,2010-12-01 11:52:00,1.0,14527.0,EIRE\n"
            "536417,22139,X,5\n");
  EXPECT_EQ(shop.lines(), 13U);
  EXPECT_EQ(shop.order_lines(), 3U);
  EXPECT_EQ(shop.rejections(), (std::map<std::string, uint64_t>{{"malformed", 5},
                                                                {"cancellation", 2},
                                                                {"no_customer", 1},
                                                                {"quantity_not_positive", 1},
                                                                {"price_not_positive", 1}}));
  const auto orders = shop.orders();
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[0]->invoice, "536365") << "the earlier one";
  EXPECT_EQ(format_amount(orders[0]->total), "16.79");

  const Json order = Json::parse(order_message(*orders[0]));
  EXPECT_EQ(order["transaction_id"], "0de12000-0000-8000-8000-000000536365");
  EXPECT_EQ(order["user_id"], "17850");
  EXPECT_EQ(order["timestamp"], "2010-12-01T08:26:00.000000Z");
  EXPECT_EQ(order["products"].size(), 2U);
  EXPECT_EQ(order["products"][0],
            Json::parse(R"({"product_id":"71053","quantity":2,"price":3.395})"));
  EXPECT_EQ(order["country"], "EIRE");
  const Json product = Json::parse(product_message(orders[1]->lines[0], orders[1]->time));
  EXPECT_EQ(product["product_name"], "LAMP, 7\" RED");
}

TEST(OnlineRetail, AQuoteThatIsNotClosedSpoilsItsLineAlone) {
  OnlineRetail shop;
  shop.read(std::string(kHeader) +
            "536365,71053,\"LANTERN,2,2010-12-01 08:26:00,3.39,17850.0,EIRE\n"
            "536366,71053,\"LANTERN, RED\",2,2010-12-01 08:26:00,3.39,17850.0,EIRE\n"
            "536367,71053,LANTERN,2,2010-12-01 08:26:00,3.39,17850.0,EIRE\n");
  EXPECT_EQ(shop.lines(), 3U);
  EXPECT_EQ(shop.order_lines(), 2U);
  EXPECT_EQ(shop.rejections().at("malformed"), 1U);
}

TEST(OnlineRetail, TakesNoMoreThanItsProfileDoes) {
  OnlineRetail shop;
  const auto read = [&](const std::string& invoice, const std::string& quantity,
                        const std::string& price) {
    const uint64_t before = shop.rejections().at("malformed");
    shop.read(kHeader + invoice + ",71053,LANTERN," + quantity + ",2010-12-01 08:26:00," + price +
              ",17850.0,EIRE\n");
    return shop.rejections().at("malformed") == before;
  };
  EXPECT_FALSE(read("1", "9223372036854775807", "10"));
  EXPECT_FALSE(read("2", "1000001", "1"));
  EXPECT_TRUE(read("3", "1000000", "1"));
  EXPECT_FALSE(read("4", "1", "100000.01"));
  EXPECT_TRUE(read("5", "1", "100000"));
  EXPECT_FALSE(read("6", "101", "100000")) << "an order of more than its profile allows";
  EXPECT_TRUE(read("7", "100", "100000"));
  EXPECT_FALSE(read("7", "1", "0.0001")) << "the order is full";
  ASSERT_EQ(shop.orders().size(), 3U) << "an order without a line is none";
  EXPECT_EQ(format_amount(shop.orders()[2]->total), "10000000.00");
}

TEST(OnlineRetail, RefusesAnotherHeader) {
  OnlineRetail shop;
  EXPECT_THROW(shop.read("a,b,c\n"), std::runtime_error);
  EXPECT_THROW(shop.read(""), std::runtime_error);
}

TEST(OnlineRetail, DecemberIsAsCountedIndependently) {
  const std::filesystem::path data = "../shared/data/online-retail";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "the data set is not there";
  OnlineRetail shop;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (entry.path().extension() != ".csv") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    shop.read(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  EXPECT_EQ(shop.lines(), 42'481U);
  EXPECT_EQ(shop.order_lines(), 26'157U);
  Amount revenue = 0;
  size_t most_lines = 0;
  for (const RetailOrder* const order : shop.orders()) {
    revenue += order->total;
    most_lines = std::max(most_lines, order->lines.size());
  }
  EXPECT_EQ(shop.orders().size(), 1'400U);
  EXPECT_EQ(format_amount(revenue), "572713.89");
  EXPECT_EQ(most_lines, 169U);
  uint64_t rejected = 0;
  for (const auto& [reason, count] : shop.rejections()) rejected += count;
  EXPECT_EQ(rejected, 42'481U - 26'157U);
  EXPECT_EQ(shop.rejections().at("cancellation"), 728U);
  EXPECT_EQ(shop.rejections().at("malformed"), 0U);
}

}  // namespace
}  // namespace globalmart::generator
