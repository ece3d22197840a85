#include "platform/obs/log.h"

#include <cstdint>
#include <iterator>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "platform/obs/trace.h"

namespace boxoffice::obs {
namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made =
        std::make_shared<spdlog::logger>("boxoffice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

void AppendJsonString(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

void Log(Level level, std::string_view event, std::initializer_list<Field> fields,
         std::string_view traceparent) {
  const auto native = ToSpdlog(level);
  if (!Logger().should_log(native)) return;
  const auto level_name = spdlog::level::to_string_view(native);
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":"{}")", ToRfc3339(SystemClock().Now()),
                                 std::string_view(level_name.data(), level_name.size()), event);
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(line), ",\"{}\":", field.name);
    AppendJsonString(line, field.value);
  }
  if (const auto trace_id = TraceId(traceparent); !trace_id.empty()) {
    fmt::format_to(std::back_inserter(line), ",\"trace_id\":\"{}\"", trace_id);
  }
  line.push_back('}');
  Logger().log(native, line);
}

void SetLogLevel(Level level) { Logger().set_level(ToSpdlog(level)); }

}  // namespace boxoffice::obs
