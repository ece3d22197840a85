// Structured logs: a line on stderr for each, with the event's name, its fields and the trace it belongs to.
// Never log a token, a secret or a body.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace boxoffice::obs {

enum class Level { kDebug, kInfo, kWarning, kError };
[[nodiscard]] std::string_view LevelName(Level level);
// "debug", "info", "warning" or "error"; nullopt: none of them.
[[nodiscard]] std::optional<Level> FindLevel(std::string_view name);

// How a line looks.
enum class Form {
  kJson,   // {"time":"…","level":"warning","event":"saga_postponed","reservation":"…","trace_id":"…"}
  kHuman,  // 2026-05-01T20:00:00.000Z warning saga_postponed reservation=… error="…" trace_id=…
};

// One field of a log line, of anything that fmt can print; not called time, level, event or trace_id.
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

// Whether a line of this level would be written: to be asked before fields are made where that is often.
// Thread-safe, and cheap.
[[nodiscard]] bool Logs(Level level);

// Lines below `level` are dropped from now on. Default: info. Both may be called while others log.
void SetLogLevel(Level level);
[[nodiscard]] Level LogLevel();
// From now on. Default: JSON.
void SetLogForm(Form form);

}  // namespace boxoffice::obs
