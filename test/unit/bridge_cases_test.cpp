// The recordings beside the specification (../shared/cases): the decoder refuses exactly the lines
// that are listed as dead letters there.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "bridge/decoder.hpp"

namespace globalmart {
namespace {

namespace fs = std::filesystem;

fs::path shared_folder() {
  const char* given = std::getenv("GLOBALMART_SHARED");
  return given != nullptr ? fs::path(given) : fs::path("../shared");
}

std::string unzip(const fs::path& file) {
  const std::string command = "gzip -dc '" + file.string() + "'";
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char block[65536];
  for (size_t got; (got = fread(block, 1, sizeof block, pipe)) > 0;) text.append(block, got);
  pclose(pipe);
  return text;
}

std::string from_base64(std::string_view text) {
  static const std::string kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t at = kAlphabet.find(c);
    if (at == std::string::npos) continue;
    bits = bits << 6 | static_cast<uint32_t>(at);
    if ((count += 6) >= 8) bytes.push_back(static_cast<char>(bits >> (count -= 8)));
  }
  return bytes;
}

struct Line {
  bool tombstone = false;
  std::string value;
  std::string key;
};

Line read_line(const std::string& raw) {
  Line line;
  if (raw.starts_with("\\N")) {
    line.tombstone = true;
    line.key = raw.substr(2);
    while (line.key.starts_with(' ') || line.key.starts_with('\t')) line.key.erase(0, 1);
  } else if (raw.starts_with("\\B")) {
    line.value = from_base64(std::string_view(raw).substr(2));
  } else {
    line.value = raw;
  }
  return line;
}

// The text of a member of a catalogue message, crudely; good enough for well-formed recordings.
std::string catalogue_key(const std::string& value, const std::string& member) {
  const std::string opening = "\"" + member + "\":";
  const size_t at = value.find(opening);
  if (at == std::string::npos) return "";
  const size_t begin = value.find('"', at + opening.size()) + 1;
  return value.substr(begin, value.find('"', begin) - begin);
}

class Cases : public testing::TestWithParam<const char*> {};

TEST_P(Cases, ExactlyTheListedLinesAreDeadLetters) {
  const fs::path folder = shared_folder() / "cases" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "no recordings at " << folder;

  std::map<std::pair<std::string, size_t>, std::string> expected;
  std::ifstream list(folder / "expected" / "dead_letter_lines.csv");
  std::string text;
  std::getline(list, text);
  while (std::getline(list, text)) {
    std::stringstream fields(text);
    std::string topic, line, skip, reason;
    std::getline(fields, topic, ',');
    std::getline(fields, line, ',');
    std::getline(fields, skip, ',');
    std::getline(fields, skip, ',');
    std::getline(fields, reason, ',');
    expected[{topic, std::stoul(line)}] = reason;
  }
  ASSERT_FALSE(expected.empty());

  const Profile profile = Profile::shipped();
  Decoder decoder(profile, DecoderLimits{});
  const std::map<std::string, std::vector<std::string>> known = {
      {"countries", {"USA", "UK", "Germany", "France", "Japan"}},
      {"payment_methods", {"Credit Card", "Debit Card", "PayPal", "Apple Pay", "Google Pay"}}};
  ListValues lists;
  for (const std::string& name : profile.lists) lists.emplace_back(known.at(name));
  decoder.start_batch(*parse_timestamp("2026-11-23T00:00:00Z"),
                      std::make_shared<const ListValues>(lists));

  size_t refused = 0;
  for (size_t topic = 0; topic < profile.topics.size(); ++topic) {
    const fs::path file = folder / "topics" / (profile.topics[topic].name + ".ndjson.gz");
    if (!fs::exists(file)) continue;
    const std::string all = unzip(file);
    size_t number = 0;
    for (size_t begin = 0; begin < all.size();) {
      size_t end = all.find('\n', begin);
      if (end == std::string::npos) end = all.size();
      Line line = read_line(all.substr(begin, end - begin));
      begin = end + 1;
      ++number;
      if (line.key.empty() && profile.topics[topic].catalogue_key >= 0) {
        line.key = catalogue_key(
            line.value, profile.topics[topic]
                            .members[static_cast<size_t>(profile.topics[topic].catalogue_key)]
                            .name);
      }
      Message message;
      message.value = line.tombstone ? nullptr : line.value.data();
      message.value_size = line.value.size();
      message.key = line.key.data();
      message.key_size = line.key.size();
      const Decoded& decoded = decoder.decode(topic, message);
      const auto found = expected.find({profile.topics[topic].name, number});
      const std::string wanted = found == expected.end() ? "none" : found->second;
      EXPECT_EQ(reason_name(decoded.reason), wanted)
          << profile.topics[topic].name << " line " << number << ": " << decoded.detail << "\n"
          << line.value.substr(0, 300);
      if (decoded.reason != Reason::kNone) ++refused;
    }
  }
  EXPECT_EQ(refused, expected.size());
}

INSTANTIATE_TEST_SUITE_P(Recordings, Cases, testing::Values("edge", "hour"));

}  // namespace
}  // namespace globalmart
