// Strict reading of JSON bodies: what is not asked for is refused, and every refusal names the field.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace boxoffice::http {

struct JsonNode;
struct JsonDocument;

// Reads one object, field by field; the first thing wrong is kept, and Finish() tells it. Until then each
// function gives a harmless value, so a reader needs no check after each field:
//
//   ObjectReader r(request.body());
//   const int64_t show = r.Required<int64_t>("show_id");
//   const bool pay = r.Optional<bool>("pay").value_or(false);
//   if (ObjectReader* best = r.OptionalObject("best_available")) count = best->Required<int64_t>("count");
//   BOXOFFICE_TRY(r.Finish());
//
// All errors are kInvalidArgument; the detail names the field by its path ("best_available.count",
// "seats[2]"):
//   body_not_json (also: not an object, nested over 16 deep, over 100,000 values), field_missing,
//   field_unknown, field_duplicate, field_type, field_too_long (an array), number_not_integer (a fraction, an
//   exponent, or beyond 64 bits where an integer is wanted).
// A null is a value of its own type: it is neither absent nor a string. Not thread-safe.
class ObjectReader {
 public:
  // `body` may go once this returns; the string_views given out live as long as the reader.
  explicit ObjectReader(std::string_view body);
  ~ObjectReader();
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  // T: int64_t, bool, double, std::string, std::string_view.
  template <typename T>
  [[nodiscard]] T Required(std::string_view name);
  template <typename T>
  [[nodiscard]] std::optional<T> Optional(std::string_view name);

  // Arrays of at most `max` values of one of these types; an absent optional one is empty.
  template <typename T>
  [[nodiscard]] std::vector<T> RequiredArray(std::string_view name, size_t max);
  template <typename T>
  [[nodiscard]] std::optional<std::vector<T>> OptionalArray(std::string_view name, size_t max);

  // Nested objects; owned by this reader, whose Finish() covers them. A required one is never null.
  [[nodiscard]] ObjectReader* RequiredObject(std::string_view name);
  [[nodiscard]] ObjectReader* OptionalObject(std::string_view name);
  [[nodiscard]] std::vector<ObjectReader*> OptionalObjects(std::string_view name, size_t max);

  // Whether the field is there, of whatever type (also null). Does not count as having read it.
  [[nodiscard]] bool Has(std::string_view name) const;
  // Whether the field is there and a string: for what may come as text or as a number. Does not count as
  // having read it.
  [[nodiscard]] bool IsString(std::string_view name) const;
  // Whether the field is there and null. Does not count as having read it.
  [[nodiscard]] bool IsNull(std::string_view name) const;
  // The names of all fields, in order: for an object whose keys are data.
  [[nodiscard]] std::vector<std::string_view> Names() const;
  // Reads a field of any type and forgets it.
  void Ignore(std::string_view name);

  // Records an error of the caller about a field, unless there is one already: kInvalidArgument `reason`,
  // "field `path` <what>".
  void Refuse(std::string_view name, std::string_view reason, std::string_view what);

  // The first error: what is not JSON, else in the order of reading, else a field that nobody asked for (here
  // or in a nested object).
  [[nodiscard]] Result<void> Finish();

 private:
  ObjectReader(JsonDocument& document, JsonNode* object, std::string path);
  JsonNode* Take(std::string_view name, bool required);
  [[nodiscard]] std::string PathOf(std::string_view name) const;
  template <typename T>
  std::optional<T> Convert(const JsonNode& node, const std::string& path);
  template <typename T>
  std::vector<T> ConvertArray(const JsonNode& node, std::string_view name, size_t max);
  ObjectReader* Child(JsonNode* object, std::string path);
  bool IsArray(const JsonNode& node, const std::string& path, size_t max);
  void WrongType(const std::string& path, std::string_view wanted, const JsonNode& node);
  void Record(std::string_view reason, std::string detail);
  void FindUnknown();

  std::unique_ptr<JsonDocument> owned_;  // of the outermost reader
  JsonDocument* document_;
  JsonNode* object_;  // nullptr: there is none, after an error
  std::string path_;  // with a trailing dot, unless empty
  std::deque<std::unique_ptr<ObjectReader>> children_;
};

}  // namespace boxoffice::http
