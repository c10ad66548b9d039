#include "bridge/toml_reader.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string closest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 2);
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance <= best_distance && (best.empty() || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::optional<std::string> read_file(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  char portion[4096];
  while (stream.read(portion, sizeof portion) || stream.gcount() > 0) {
    text.append(portion, static_cast<size_t>(stream.gcount()));
  }
  // A folder can be opened, but not be read to an end.
  if (!stream.eof()) return std::nullopt;
  return text;
}

TomlTable::TomlTable(const toml::table& table, std::string where)
    : table_(table), where_(std::move(where)) {}

void TomlTable::fail(const std::string& key, const std::string& what) const {
  std::string full = where_;
  if (!full.empty() && !key.empty()) full += '.';
  throw ConfigError(full + key + ": " + what);
}

const toml::node* TomlTable::node(const char* key) {
  known_.insert(key);
  return table_.get(key);
}

std::optional<std::string> TomlTable::text(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_integer()) return std::to_string(*value->value<int64_t>());
  if (!value->is_string()) fail(key, "must be a text");
  return value->value<std::string>();
}

std::optional<int64_t> TomlTable::integer(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_integer()) fail(key, "must be an integer");
  return value->value<int64_t>();
}

std::optional<bool> TomlTable::boolean(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail(key, "must be true or false");
  return value->value<bool>();
}

std::optional<std::vector<std::string>> TomlTable::texts(const char* key) {
  const toml::array* values = array(key);
  if (values == nullptr) return std::nullopt;
  std::vector<std::string> result;
  for (const toml::node& value : *values) {
    if (!value.is_string()) fail(key, "must be a list of texts");
    result.push_back(*value.value<std::string>());
  }
  return result;
}

std::optional<std::vector<std::string>> TomlTable::text_or_texts(const char* key) {
  const toml::node* value = node(key);
  if (value != nullptr && value->is_string()) {
    return std::vector<std::string>{*value->value<std::string>()};
  }
  return texts(key);
}

std::optional<std::string> TomlTable::number(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->value<std::string>();
  if (value->is_integer()) return std::to_string(*value->value<int64_t>());
  if (value->is_floating_point()) {
    std::ostringstream text;
    text.precision(17);
    text << *value->value<double>();
    return text.str();
  }
  fail(key, "must be a number");
}

const toml::table* TomlTable::table(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return nullptr;
  if (!value->is_table()) fail(key, "must be a table");
  return value->as_table();
}

const toml::array* TomlTable::array(const char* key) {
  const toml::node* value = node(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) fail(key, "must be a list");
  return value->as_array();
}

void TomlTable::finish() const {
  for (const auto& [key, value] : table_) {
    const std::string name(key.str());
    if (known_.contains(name)) continue;
    const std::string hint = closest(name, {known_.begin(), known_.end()});
    std::string what = "unknown key";
    if (!hint.empty()) {
      what += "; did you mean '" + hint + "'?";
    } else {
      what += "; known here:";
      for (const std::string& known : known_) what += ' ' + known;
    }
    fail(name, what);
  }
}

}  // namespace globalmart
