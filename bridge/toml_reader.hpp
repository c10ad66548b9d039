// Reading TOML tables strictly: each key is asked for by name, and whoever is left over is an error
// with a hint. Used for the configuration and for profiles.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace globalmart {

// The candidate that `word` was probably meant to be, or empty.
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

// What a file holds; empty when it cannot be read, as a folder.
std::optional<std::string> read_file(const std::string& file);

class TomlTable {
 public:
  // `where` names the table in messages ("topics.cart").
  TomlTable(const toml::table& table, std::string where);

  // Each of these marks the key as known. Absent keys give an empty optional; a value of another
  // type throws ConfigError.
  std::optional<std::string> text(const char* key);
  std::optional<int64_t> integer(const char* key);
  std::optional<bool> boolean(const char* key);
  std::optional<std::vector<std::string>> texts(const char* key);
  // A text or a list of texts.
  std::optional<std::vector<std::string>> text_or_texts(const char* key);
  // A number written as an integer, a float or (to keep each digit) as text.
  std::optional<std::string> number(const char* key);
  const toml::table* table(const char* key);
  const toml::array* array(const char* key);
  // The value as it is; null when absent.
  const toml::node* node(const char* key);

  // Throws ConfigError, naming the first key that nobody asked for, with a hint.
  void finish() const;

  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
  const std::string& where() const { return where_; }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace globalmart
