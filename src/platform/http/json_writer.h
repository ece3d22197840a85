// Appends JSON to a string, for the answers that are made often. Elsewhere use boost::json::value.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace boxoffice::http {

// Appends `text` quoted, with what JSON and HTML want escaped. Bytes that are not UTF-8 go through as they
// are.
void AppendJsonString(std::string_view text, std::string& out);

// Writes values in the order of the calls and puts the commas. Calls that don't nest give what they give:
// this is no validator. Not thread-safe.
//   JsonWriter w;
//   w.BeginObject().Field("id", 7).Key("seats").BeginArray().Value("A-1").EndArray().EndObject();
class JsonWriter {
 public:
  JsonWriter() { text_.reserve(kTypical); }

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Shut('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Shut(']'); }

  // `name` is one of ours, and has nothing that JSON wants escaped.
  JsonWriter& Key(std::string_view name) {
    Comma();
    const size_t start = text_.size();
    const size_t end = start + name.size() + 3;
    text_.resize_and_overwrite(end, [&](char* all, size_t) {
      all[start] = '"';
      std::memcpy(all + start + 1, name.data(), name.size());
      all[end - 2] = '"';
      all[end - 1] = ':';
      return end;
    });
    first_ = true;
    return *this;
  }

  JsonWriter& Value(std::string_view value) {
    Comma();
    AppendJsonString(value, text_);
    return *this;
  }
  JsonWriter& Value(const char* value) { return Value(std::string_view(value)); }
  JsonWriter& Value(const std::string& value) { return Value(std::string_view(value)); }
  JsonWriter& Value(bool value) { return Raw(value ? "true" : "false"); }
  template <typename Integer>
    requires std::is_integral_v<Integer>
  JsonWriter& Value(Integer value) {
    const fmt::format_int digits(value);
    return Raw({digits.data(), digits.size()});
  }
  JsonWriter& Null() { return Raw("null"); }
  // A value that is JSON already.
  JsonWriter& Raw(std::string_view json) {
    Comma();
    text_.append(json);
    return *this;
  }

  template <typename T>
  JsonWriter& Field(std::string_view name, const T& value) {
    return Key(name).Value(value);
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string Take() { return std::move(text_); }

 private:
  void Comma() {
    if (!first_) text_.push_back(',');
    first_ = false;
  }
  JsonWriter& Open(char bracket) {
    Comma();
    text_.push_back(bracket);
    first_ = true;
    return *this;
  }
  JsonWriter& Shut(char bracket) {
    text_.push_back(bracket);
    first_ = false;
    return *this;
  }

  static constexpr size_t kTypical = 480;  // bytes of an answer that is made often

  std::string text_;
  bool first_ = true;  // nothing precedes in this object or array, or a key does
};

}  // namespace boxoffice::http
