#include "platform/obs/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>

#include <boost/locale/utf.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "platform/obs/span_context.h"

namespace boxoffice::obs {
namespace {

struct LevelRow {
  Level level;
  std::string_view name;
  spdlog::level::level_enum native;
};
constexpr std::array kLevels = {
    LevelRow{Level::kDebug, "debug", spdlog::level::debug},
    LevelRow{Level::kInfo, "info", spdlog::level::info},
    LevelRow{Level::kWarning, "warning", spdlog::level::warn},
    LevelRow{Level::kError, "error", spdlog::level::err},
};

const LevelRow& RowOf(Level level) { return kLevels[static_cast<size_t>(level)]; }

spdlog::logger& Logger() {
  // It is never destroyed: gRPC's threads may log while the process ends.
  static spdlog::logger& logger = [] -> spdlog::logger& {
    auto& made = *new spdlog::logger("boxoffice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_pattern("%v");
    made.set_level(spdlog::level::info);
    made.flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

std::atomic<Form> line_form{Form::kJson};

// What others sent may be in it: nothing of that ends the line, moves a terminal's cursor (C0, DEL, C1), or
// makes the line one that is no JSON.
void AppendQuoted(std::string& out, std::string_view text) {
  namespace utf = boost::locale::utf;
  constexpr utf::code_point kReplacement = 0xfffd;
  const auto escape = [&out](utf::code_point code) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
  };
  out.push_back('"');
  for (const char* at = text.data(); at != text.data() + text.size();) {
    const char* const begin = at;
    const utf::code_point code = utf::utf_traits<char>::decode(at, text.data() + text.size());
    if (code == utf::illegal || code == utf::incomplete) {
      at = begin + 1;
      escape(kReplacement);
    } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      escape(code);
    } else {
      if (code == '"' || code == '\\') out.push_back('\\');
      out.append(begin, at);
    }
  }
  out.push_back('"');
}

// As it is where nothing could be mistaken.
void AppendPlain(std::string& out, std::string_view text) {
  const auto odd = [](char c) {
    return static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f || c == '"' || c == '=' ||
           c == '\\';
  };
  if (text.empty() || std::ranges::any_of(text, odd)) {
    AppendQuoted(out, text);
  } else {
    out += text;
  }
}

std::string JsonLine(Level level, std::string_view event, std::initializer_list<Field> fields,
                     std::string_view trace_id) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":"{}")", ToRfc3339(SystemClock().Now()),
                                 LevelName(level), event);
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(line), ",\"{}\":", field.name);
    AppendQuoted(line, field.value);
  }
  if (!trace_id.empty()) fmt::format_to(std::back_inserter(line), ",\"trace_id\":\"{}\"", trace_id);
  line.push_back('}');
  return line;
}

std::string HumanLine(Level level, std::string_view event, std::initializer_list<Field> fields,
                      std::string_view trace_id) {
  std::string line = fmt::format("{} {:<7} {}", ToRfc3339(SystemClock().Now()), LevelName(level), event);
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(line), " {}=", field.name);
    AppendPlain(line, field.value);
  }
  if (!trace_id.empty()) fmt::format_to(std::back_inserter(line), " trace_id={}", trace_id);
  return line;
}

}  // namespace

std::string_view LevelName(Level level) { return RowOf(level).name; }

std::optional<Level> FindLevel(std::string_view name) {
  const auto row = std::ranges::find(kLevels, name, &LevelRow::name);
  return row != kLevels.end() ? std::optional(row->level) : std::nullopt;
}

void Log(Level level, std::string_view event, std::initializer_list<Field> fields,
         std::string_view traceparent) {
  if (!Logs(level)) return;
  const std::string_view trace_id = TraceId(traceparent);
  Logger().log(RowOf(level).native, line_form.load(std::memory_order_relaxed) == Form::kJson
                                        ? JsonLine(level, event, fields, trace_id)
                                        : HumanLine(level, event, fields, trace_id));
}

bool Logs(Level level) { return Logger().should_log(RowOf(level).native); }

void SetLogLevel(Level level) { Logger().set_level(RowOf(level).native); }

Level LogLevel() { return std::ranges::find(kLevels, Logger().level(), &LevelRow::native)->level; }

void SetLogForm(Form form) { line_form = form; }

}  // namespace boxoffice::obs
