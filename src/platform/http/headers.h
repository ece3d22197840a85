// The headers of an answer, as the lines that are sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace boxoffice::http {

// Appends `name: value` and a line's end to `out`. What has a line break or another control character in it
// is left out, and logged: it would begin another header, or another answer.
void AppendHeader(std::string_view name, std::string_view value, std::string& out);

// In the order in which they were added. A value.
class Headers {
 public:
  // Adds a header, as AppendHeader does; also beside one of the same name.
  void Add(std::string_view name, std::string_view value);
  // The same in the place of those of this name.
  void Set(std::string_view name, std::string_view value);
  // The first of this name, in any case; nullopt: there is none. Valid until the next change.
  [[nodiscard]] std::optional<std::string_view> Find(std::string_view name) const;

  [[nodiscard]] bool empty() const { return lines_.empty(); }
  // Each with its line's end.
  [[nodiscard]] std::string_view lines() const { return lines_; }

 private:
  std::string lines_;
};

}  // namespace boxoffice::http
