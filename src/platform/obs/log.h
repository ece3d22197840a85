// Structured logs: one JSON object a line on stderr, with the event's name, its fields and the trace it
// belongs to. Never log a token, a secret or a body.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace boxoffice::obs {

enum class Level { kDebug, kInfo, kWarning, kError };

// One field of a log line; made from anything that fmt can print.
struct Field {
  template <typename T>
  Field(std::string_view field_name, const T& field_value)
      : name(field_name), value(fmt::format("{}", field_value)) {}
  std::string_view name;
  std::string value;
};

// Writes a line if `level` is at or above the set one. `event` is stable and snake_case. Thread-safe.
void Log(Level level, std::string_view event, std::initializer_list<Field> fields = {},
         std::string_view traceparent = {});

// Lines below `level` are dropped. Default: info.
void SetLogLevel(Level level);

}  // namespace boxoffice::obs
