// Reading what a gateway answered, whatever it is.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace boxoffice::chaos {

// The member of that name; null pointer: there is none.
[[nodiscard]] inline const boost::json::value* Find(const boost::json::value& value, std::string_view name) {
  const boost::json::object* const object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}
// JSON's null: there is none.
[[nodiscard]] inline const boost::json::value& At(const boost::json::value& value, std::string_view name) {
  static const boost::json::value none;
  const boost::json::value* const found = Find(value, name);
  return found == nullptr ? none : *found;
}
// Empty: it is no text.
[[nodiscard]] inline std::string TextOf(const boost::json::value& value, std::string_view name) {
  const boost::json::string* const text = At(value, name).if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

}  // namespace boxoffice::chaos
