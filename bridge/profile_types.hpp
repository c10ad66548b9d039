// The first part of reading a profile: its limits, its named types, and the members of messages.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/profile.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

// Lives no longer than the TOML document that it is given parts of. Throws ConfigError.
class ProfileTypes {
 public:
  // What is read goes into `profile`.
  explicit ProfileTypes(Profile& profile) : profile_(profile) {}

  void read_limits(const toml::table& raw);
  void read_types(const toml::table& raw);
  // The members of a message or, `nested`, of the elements of one.
  std::vector<Member> read_members(const toml::table& raw, const std::string& where,
                                   const std::vector<std::string>& event_types, bool nested);

 private:
  ValueType read_type(TomlTable& table, TomlTable* named, const std::string& kind_name);
  int list_index(const std::string& name);
  Member read_member(const std::string& name, const toml::table& raw, const std::string& where,
                     const std::vector<std::string>& event_types, bool nested);

  Profile& profile_;
  std::map<std::string, const toml::table*, std::less<>> type_tables_;
};

TextTable names_of(const std::vector<Member>& members);

}  // namespace globalmart
