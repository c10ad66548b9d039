// Configuration and profiles: what goes before what, and what is said about mistakes.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>

#include "bridge/config.hpp"
#include "bridge/error.hpp"
#include "bridge/fault_point.hpp"
#include "bridge/http_server.hpp"
#include "bridge/kafka_log.hpp"
#include "bridge/kafka_settings.hpp"
#include "bridge/log.hpp"
#include "bridge/profile.hpp"

namespace globalmart {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    char name[] = "/tmp/globalmart-config-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text, mode_t mode = 0600) {
    std::string name = folder_ + "/" + std::to_string(++files_) + ".toml";
    std::ofstream(name) << text;
    chmod(name.c_str(), mode);
    return name;
  }

  static std::string error_of(const std::string& config_file,
                              const std::vector<std::string>& settings) {
    try {
      Config::load(config_file, settings);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  const std::vector<std::string> least_ = {"kafka.bootstrap_servers=k:9092",
                                           "postgres.dsn=dbname=x"};
  std::vector<std::string> with(std::vector<std::string> more) const {
    more.insert(more.begin(), least_.begin(), least_.end());
    return more;
  }

  std::string folder_;
  int files_ = 0;
};

TEST_F(ConfigTest, TwoSettingsAreEnough) {
  const Config config = Config::load("", least_);
  EXPECT_EQ(config.kafka.bootstrap_servers, "k:9092");
  EXPECT_EQ(config.postgres.dsn, "dbname=x");
  EXPECT_EQ(config.kafka.group_id, "globalmart");
  EXPECT_FALSE(config.kafka.start_at_latest);
  EXPECT_EQ(config.bridge.max_message_bytes, 65'536u);
  EXPECT_EQ(config.load_profile().topics.size(), 6u);
}

TEST_F(ConfigTest, SettingsGoBeforeTheFileAndTheFileBeforeDefaults) {
  const std::string name = file(
      "[kafka]\nbootstrap_servers = \"file:1\"\ngroup_id = \"from-file\"\n"
      "topics.cart = \"carts\"\ntopics.views = \"views\"\n"
      "[kafka.properties]\nsecurity.protocol = \"ssl\"\n\"ssl.ca.location\" = \"/ca\"\n"
      "[postgres]\ndsn = \"dbname=file\"\n[bridge]\nworkers = 3\nmax_future = \"90s\"\n");
  const Config config = Config::load(
      name, {"kafka.bootstrap_servers=set:1", "bridge.workers=5", "kafka.topics.cart=other",
             "kafka.properties.ssl.ca.location=/other", "bridge.clock=2026-11-23T00:00:00Z"});
  EXPECT_EQ(config.kafka.bootstrap_servers, "set:1");
  EXPECT_EQ(config.kafka.group_id, "from-file");
  EXPECT_EQ(config.postgres.dsn, "dbname=file");
  EXPECT_EQ(config.bridge.workers, 5);
  EXPECT_EQ(config.bridge.max_future, 90 * kMicrosPerSecond);
  EXPECT_EQ(config.bridge.clock, parse_timestamp("2026-11-23T00:00:00Z"));
  EXPECT_EQ(config.kafka.properties.at("security.protocol"), "ssl");
  EXPECT_EQ(config.kafka.properties.at("ssl.ca.location"), "/other");
  const Profile profile = Profile::shipped();
  const std::vector<std::string> names = config.topic_names(profile);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& key = profile.topics[i].key;
    EXPECT_EQ(names[i], key == "cart"    ? "other"
                        : key == "views" ? "views"
                                         : profile.topics[i].name);
  }
}

TEST_F(ConfigTest, UnknownKeysComeWithAHint) {
  EXPECT_EQ(error_of("", with({"bridge.worker=1"})),
            "bridge.worker: unknown key; did you mean 'workers'?");
  EXPECT_EQ(error_of("", with({"postgre.dsn=x"})),
            "postgre: unknown key; did you mean 'postgres'?");
  EXPECT_NE(error_of("", with({"kafka.boot=x"})).find("unknown key"), std::string::npos);
  const Config config = Config::load("", with({"kafka.topics.carts=x"}));
  EXPECT_THROW(config.topic_names(Profile::shipped()), ConfigError);
}

TEST_F(ConfigTest, ValuesAreChecked) {
  EXPECT_NE(error_of("", with({"bridge.workers=0"})), "");
  EXPECT_NE(error_of("", with({"bridge.workers=many"})), "");
  EXPECT_NE(error_of("", with({"bridge.max_future=soon"})), "");
  EXPECT_NE(error_of("", with({"bridge.clock=noon"})), "");
  EXPECT_NE(error_of("", with({"kafka.start=middle"})), "");
  EXPECT_NE(error_of("", with({"log.level=loud"})), "");
  EXPECT_NE(error_of("", with({"log.format=xml"})), "");
  EXPECT_NE(error_of("", with({"kafka.properties.enable.auto.commit=true"})), "");
  EXPECT_NE(error_of("", {"kafka.bootstrap_servers=x"}), "");
  EXPECT_NE(error_of("", {"nothing"}), "");
  EXPECT_NE(error_of(folder_ + "/absent.toml", {}), "");
  EXPECT_NE(error_of(file("[kafka\n"), {}), "");
}

TEST_F(ConfigTest, WhatLooksLikeASettingAndIsNone) {
  EXPECT_EQ(error_of("", with({"bridge.=3"})), "--set bridge.=3: must be section.key=value");
  EXPECT_NE(error_of("", with({"kafka.topics.=x"})), "");
  EXPECT_NE(error_of("", with({"kafka.properties.=x"})), "");
  EXPECT_EQ(error_of(folder_, least_), folder_ + ": cannot be read");
  EXPECT_THROW(Profile::load(folder_), ConfigError);
  EXPECT_THROW(read_secret(folder_, "key"), ConfigError);
}

// A text is taken as it stands, though it may be a number to TOML.
TEST_F(ConfigTest, TextsOfArguments) {
  const auto group = [&](const std::string& text) {
    return Config::load("", with({"kafka.group_id=" + text})).kafka.group_id;
  };
  for (const char* text : {"1_000", "0x10", "+5", "007", "1000", "true", "1.50", "[1]"}) {
    EXPECT_EQ(group(text), text);
  }
  EXPECT_EQ(group("\"quoted\""), "quoted");
  EXPECT_EQ(Config::load("", with({"bridge.batch_messages=1_000"})).bridge.batch_messages, 1000u);
}

TEST_F(ConfigTest, TopicsHaveNamesOfTheirOwn) {
  const Profile profile = Profile::shipped();
  const auto error = [&](const std::vector<std::string>& topics) -> std::string {
    std::vector<std::string> settings;
    for (const std::string& one : topics) settings.push_back("kafka.topics." + one);
    try {
      Config::load("", with(settings)).topic_names(profile);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error({"cart=", "views="}), "");
  EXPECT_EQ(error({"cart=transactions-topic", "transactions=cart-events-topic"}), "");
  EXPECT_EQ(error({"cart=transactions-topic"}),
            "kafka.topics: cart and transactions have one name, transactions-topic");
  EXPECT_EQ(error({"views=x", "users=x"}), "kafka.topics: users and views have one name, x");
  EXPECT_EQ(error({"alerts=users-topic"}),
            "kafka.topics: users and alerts have one name, users-topic");
  EXPECT_EQ(error({"alerts="}), "kafka.topics.alerts: must not be empty");
}

TEST_F(ConfigTest, TheConnectionStringIsRead) {
  const auto error = [&](const std::string& dsn) {
    return error_of("", {"kafka.bootstrap_servers=k", "postgres.dsn=" + dsn});
  };
  EXPECT_EQ(error("hst=x"), "postgres.dsn: invalid connection option \"hst\"");
  EXPECT_NE(error("host=x dbname"), "");
  EXPECT_NE(error("postgresql://h:5432/d?hst=x"), "");
  EXPECT_EQ(error("host=/run/postgresql dbname=shop"), "");
  EXPECT_EQ(error("postgres://u@h:5/d?sslmode=require"), "");
  EXPECT_EQ(error("shop"), "");  // the name of a database alone
  // What libpq says of it may repeat a part of the password.
  const std::string text =
      "[kafka]\nbootstrap_servers = \"k\"\n[postgres]\ndsn = \"password=correct horse\"\n";
  EXPECT_EQ(error_of(file(text), {}), "postgres.dsn: is not a connection string of libpq");
}

TEST_F(ConfigTest, PropertiesOfTheBridgeItself) {
  for (const char* name : {"check.crcs", "enable.auto.commit", "metadata.broker.list"}) {
    EXPECT_NE(error_of("", with({std::string("kafka.properties.") + name + "=true"}))
                  .find("is set by the bridge itself"),
              std::string::npos)
        << name;
  }
  const auto client_id = [&](const std::vector<std::string>& more) -> std::string {
    const KafkaSettings settings = consumer_settings(Config::load("", with(more)).kafka, "");
    char value[64] = "";
    size_t size = sizeof value;
    rd_kafka_conf_get(settings.get(), "client.id", value, &size);
    return value;
  };
  EXPECT_EQ(client_id({}), "globalmart-bridge");
  EXPECT_EQ(client_id({"kafka.properties.client.id=north"}), "north");
}

TEST_F(ConfigTest, FaultPoints) {
  for (const char* text : {"", "in_copy", "in_copy:3"}) EXPECT_NO_THROW(FaultPoint{text}) << text;
  for (const char* text : {"in_coppy", "in_copy:x", "in_copy:", "in_copy:0", "in_copy:-1",
                           "in_copy:3x", "in_copy:99999999999999999999"}) {
    EXPECT_THROW(FaultPoint{text}, ConfigError) << text;
  }
}

TEST_F(ConfigTest, PropertiesOfLibrdkafkaAreChecked) {
  const auto error = [&](const std::vector<std::string>& properties) -> std::string {
    std::vector<std::string> settings;
    for (const std::string& one : properties) settings.push_back("kafka.properties." + one);
    try {
      check_kafka_settings(Config::load("", with(settings)).kafka);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({"session.timeout.ms=20000", "linger.ms=5"}), "");
  EXPECT_EQ(error({"sesion.timeout.ms=1"}),
            "kafka.properties.sesion.timeout.ms: librdkafka has no such property; did you mean "
            "'session.timeout.ms'?");
  EXPECT_NE(error({"session.timeout.ms=soon"}).find("kafka.properties.session.timeout.ms: Invalid"),
            std::string::npos);
  // What only the client as a whole can find.
  EXPECT_NE(error({"security.protocol=ssl", "ssl.ca.location=" + folder_ + "/absent"})
                .find("ssl.ca.location"),
            std::string::npos);
}

TEST(HttpListen, Forms) {
  for (const char* text : {"off", "127.0.0.1:0", "localhost:9464", "[::1]:80"}) {
    EXPECT_NO_THROW(check_http_listen(text)) << text;
  }
  for (const char* text : {"99", "127.0.0.1:99999", ":80", "127.0.0.1:", "host:80", ""}) {
    EXPECT_THROW(check_http_listen(text), ConfigError) << text;
  }
}

TEST(Log, MembersOfJson) {
  EXPECT_EQ(json_members("ended", {}), R"("message":"ended")");
  EXPECT_EQ(json_members("a \"b\"\n\xff", {{"worker", 1}, {"topic", "x\\y"}, {"sqlstate", ""}}),
            "\"message\":\"a \\\"b\\\"\\n\xef\xbf\xbd\",\"worker\":1,\"topic\":\"x\\\\y\"");
}

// What was written to standard error meanwhile, without the times.
std::string logged(const std::function<void()>& write) {
  testing::internal::CaptureStderr();
  set_up_log(LogLevel::kInfo, LogFormat::kText);
  write();
  return std::regex_replace(testing::internal::GetCapturedStderr(), std::regex("ts=\\S+ "), "");
}

TEST(Log, ALineOfTextIsOneLine) {
  EXPECT_EQ(logged([] {
              log_warn("refused\nCONTEXT:\ttable \"a\"\r\x1b[K", {{"topic", "x\ny"}});
            }),
            "level=warning topic=x\\ny refused\\nCONTEXT:\\ttable \"a\"\\r\\x1b[K\n");
  EXPECT_EQ(logged([] { log_info("Köln\x7f"); }), "level=info Köln\\x7f\n");
}

TEST(Log, ALineTakesThePlaceOfTheProgress) {
  EXPECT_EQ(logged([] {
              log_info("one");
              show_progress_line("5 messages");
              log_info("two");
              log_info("three");
              show_progress_line("6 messages");
              show_progress_line("7 messages");
              end_progress_line();
              log_info("four");
              end_progress_line();
            }),
            "level=info one\n"
            "\r5 messages\x1b[K\r\x1b[Klevel=info two\nlevel=info three\n"
            "\r6 messages\x1b[K\r7 messages\x1b[K\nlevel=info four\n");
}

TEST(Log, WhatComesAgainIsSaidOnce) {
  LogLimit limit;
  EXPECT_TRUE(limit.due("a"));
  EXPECT_FALSE(limit.due("a"));
  EXPECT_TRUE(limit.due("b"));
  limit.over();
  EXPECT_TRUE(limit.due("a"));
  int said = 1;
  for (int i = 0; i < 100; ++i) said += limit.due(std::to_string(i)) ? 1 : 0;
  EXPECT_EQ(said, 20);
}

TEST(Log, WhatLibrdkafkaSaysWithEveryTry) {
  const auto refused = [](const std::string& after) {
    return "k:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after " + after +
           ")";
  };
  KafkaLog log;
  EXPECT_TRUE(log.due(LogLevel::kError, "kafka", refused("0ms in state CONNECT")));
  EXPECT_FALSE(log.due(LogLevel::kError, "kafka",
                       refused("3ms in state CONNECT, 12 identical error(s) suppressed")));
  EXPECT_TRUE(log.due(LogLevel::kError, "outbox", refused("0ms in state CONNECT")));
  EXPECT_TRUE(log.due(LogLevel::kWarn, "kafka", "1/1 brokers are down"));
  EXPECT_FALSE(log.due(LogLevel::kWarn, "kafka", "1/1 brokers are down"));
  // Whoever wants to see more sees all of it.
  EXPECT_TRUE(log.due(LogLevel::kDebug, "kafka", "x"));
  EXPECT_TRUE(log.due(LogLevel::kDebug, "kafka", "x"));
}

TEST_F(ConfigTest, SecretsStayOutOfArgumentsAndOpenFiles) {
  EXPECT_NE(error_of("", with({"kafka.properties.sasl.password=x"})), "");
  EXPECT_NE(error_of("", {"kafka.bootstrap_servers=k", "postgres.dsn=password=x"}), "");
  EXPECT_NE(error_of("", {"kafka.bootstrap_servers=k", "postgres.dsn=postgresql://u:x@h/d"}), "");
  EXPECT_EQ(error_of("", {"kafka.bootstrap_servers=k", "postgres.dsn=postgresql://u@h:5/d"}), "");
  const std::string text = "[kafka]\nbootstrap_servers = \"k\"\n[postgres]\ndsn = \"password=x\"\n";
  EXPECT_EQ(error_of(file(text, 0600), {}), "");
  EXPECT_NE(error_of(file(text, 0644), {}), "");
  EXPECT_EQ(read_secret(file("secret\n", 0640), "key"), "secret");
  EXPECT_THROW(read_secret(file("secret\n", 0644), "key"), ConfigError);
  const Config config = Config::load("", with({"kafka.password_file=" + file("hidden\n", 0600)}));
  EXPECT_EQ(config.kafka.properties.at("sasl.password"), "hidden");
}

TEST_F(ConfigTest, FilesOfSecretsAreLookedAt) {
  EXPECT_EQ(error_of("", with({"postgres.password_file=" + file("x", 0600)})), "");
  EXPECT_NE(error_of("", with({"postgres.password_file=" + file("x", 0644)})), "");
  EXPECT_NE(error_of("", with({"postgres.password_file=" + folder_ + "/absent"})), "");
  for (const std::string property : {"ssl.key.location", "ssl.keystore.location"}) {
    const std::string setting = "kafka.properties." + property + "=";
    EXPECT_EQ(error_of("", with({setting + file("key", 0640)})), "");
    const std::string open = file("key", 0644);
    EXPECT_EQ(error_of("", with({setting + open})), "kafka.properties." + property + ": " + open +
                                                        " can be read by everybody; chmod o-rwx " +
                                                        open);
  }
}

TEST(Duration, Forms) {
  EXPECT_EQ(parse_duration("1h"), 3600 * kMicrosPerSecond);
  EXPECT_EQ(parse_duration("1 hour"), 3600 * kMicrosPerSecond);
  EXPECT_EQ(parse_duration("250ms"), 250'000);
  EXPECT_EQ(parse_duration("0s"), 0);
  for (const char* text : {"", "h", "1", "1 x", "-1s", "1.5h", "99999999999999s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

// --- profiles ---

const std::string kLeast = R"(
[topics.t]
topic = "t-topic"
id = "id"
time = "at"
[topics.t.members]
id = { type = "uuid", required = true }
at = { type = "timestamp", required = true }
[[topics.t.streams]]
stream = "s"
[topics.t.streams.columns]
event_time = "#time"
id = "id"
)";

std::string profile_error(const std::string& text) {
  try {
    Profile::parse(text, "test");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kLeast;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ProfileText, TheLeast) {
  const Profile profile = Profile::parse(kLeast, "test");
  ASSERT_EQ(profile.topics.size(), 1u);
  EXPECT_EQ(profile.topics[0].name, "t-topic");
  EXPECT_EQ(profile.topics[0].streams[0].columns.size(), 2u);
}

TEST(ProfileText, MistakesAreNamed) {
  const auto says = [](const std::string& text, const std::string& part) {
    const std::string error = profile_error(text);
    EXPECT_NE(error.find(part), std::string::npos) << "said: " << error << "\nnot: " << part;
  };
  says("", "topics: at least one");
  says("x = ", "line 1");
  says(changed("topic = \"t-topic\"", ""), "topics.t.topic: is missing");
  says(changed("time = \"at\"", "time = \"att\""), "did you mean 'at'?");
  says(changed("type = \"uuid\"", "type = \"uid\""), "did you mean 'uuid'?");
  says(changed("id = \"id\"\ntime", "id = \"at\"\ntime"), "must be required and of kind uuid");
  says(changed("\"timestamp\", required = true", "\"timestamp\""), "must be required");
  says(changed("event_time = \"#time\"", "event_time = \"#tim\""), "#tim");
  says(changed("event_time = \"#time\"\n", ""), "no column takes the event time");
  says(changed("required = true }\nat", "requird = true }\nat"), "did you mean 'required'?");
  says(kLeast + "kafka_offset = \"id\"\n", "filled by the bridge");
  says(kLeast + "line = \"#line\"\n", "needs 'rows'");
  says(kLeast + "gone = \"#deleted\"\n", "needs a catalogue topic");
  says("format = 2\n" + kLeast, "format 1");
  std::string second = kLeast;
  for (size_t at; (at = second.find("topics.t")) != std::string::npos;) {
    second.replace(at, 8, "topics.u");
  }
  says(kLeast + second, "topics.u.topic: t-topic is the name of topics.t, too");
  std::string alerts = kLeast;
  for (size_t at; (at = alerts.find("topics.t")) != std::string::npos;) {
    alerts.replace(at, 8, "topics.alerts");
  }
  says(alerts, "topics.alerts: ");
}

TEST(ProfileText, TypesMustFitTheirColumns) {
  const auto with_member = [](const std::string& member) {
    return changed("[[topics.t.streams]]", "m = " + member + "\n[[topics.t.streams]]");
  };
  EXPECT_EQ(profile_error(with_member("{ type = \"integer\", min = 0, max = 5 }")), "");
  EXPECT_NE(profile_error(with_member("{ type = \"integer\", max = 2147483648 }")), "");
  EXPECT_EQ(
      profile_error(with_member("{ type = \"integer\", max = 2147483648, column = \"int8\" }")),
      "");
  EXPECT_NE(profile_error(with_member("{ type = \"decimal\" }")), "");
  EXPECT_EQ(profile_error(with_member("{ type = \"decimal\", column = \"numeric(4,2)\" }")), "");
  EXPECT_NE(
      profile_error(with_member("{ type = \"decimal\", max = 100, column = \"numeric(4,2)\" }")),
      "");
  EXPECT_EQ(profile_error(
                with_member("{ type = \"decimal\", max = \"99.99\", column = \"numeric(4,2)\" }")),
            "");
  EXPECT_NE(profile_error(with_member("{ type = \"text\", pattern = \"(\" }")), "");
  EXPECT_NE(profile_error(with_member("{ type = \"integer\", min = 2, max = 1 }")), "");
  EXPECT_NE(profile_error(with_member("{ type = \"decimal\", column = \"numeric(4,2)x\" }")), "");
  EXPECT_NE(profile_error(with_member("{ type = \"text\", max_bytes = -1 }")), "");
  EXPECT_NE(profile_error(with_member("{ type = \"text\", min_bytes = -1, max_bytes = 5 }")), "");
  const std::string objects = "members = { n = { type = \"text\" } } }";
  EXPECT_EQ(profile_error(with_member("{ type = \"objects\", max_count = 5, " + objects)), "");
  EXPECT_NE(profile_error(with_member("{ type = \"objects\", max_count = -1, " + objects)), "");
  EXPECT_NE(profile_error(with_member("{ type = \"objects\", min_count = -1, " + objects)), "");
  EXPECT_NE(profile_error(with_member("{ type = \"uuid\", required = [\"x\"] }")), "");
}

TEST(ProfileText, TheShippedOnesAreValid) {
  EXPECT_NO_THROW(Profile::shipped());
  for (const auto& entry : std::filesystem::directory_iterator("profiles")) {
    if (entry.path().extension() == ".toml") {
      EXPECT_NO_THROW(Profile::load(entry.path().string())) << entry.path();
    }
  }
}

}  // namespace
}  // namespace globalmart
