#include "gateway/show_body.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/http/utf8.h"

namespace boxoffice::gateway {
namespace {

constexpr std::string_view kPlan = "\"seating_plan\"";

// Just after the string that begins at `at`; npos: it does not end.
size_t SkipString(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

size_t SkipSpace(std::string_view text, size_t at) {
  const size_t found = text.find_first_not_of(" \t\r\n", at);
  return found == std::string_view::npos ? text.size() : found;
}

// Just after the object or array that begins at `at`, by counting brackets outside of strings; npos: it does
// not end.
size_t SkipBrackets(std::string_view text, size_t at) {
  size_t depth = 0;
  for (size_t i = at; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      i = SkipString(text, i);
      if (i == std::string_view::npos) return i;
      continue;
    }
    ++i;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return i;
  }
  return std::string_view::npos;
}

// Where the value of the outermost object's member "seating_plan" begins; npos: there is none.
size_t FindPlan(std::string_view body, size_t object) {
  for (size_t i = object + 1; i < body.size();) {
    const char c = body[i];
    if (c == '"') {
      const size_t end = SkipString(body, i);
      if (end == std::string_view::npos) return end;
      const size_t colon = SkipSpace(body, end);
      const bool is_key = colon < body.size() && body[colon] == ':';
      if (is_key && body.substr(i, end - i) == kPlan) return SkipSpace(body, colon + 1);
      i = end;
    } else if (c == '{' || c == '[') {
      i = SkipBrackets(body, i);
    } else {
      ++i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<ShowBody> SplitShowBody(std::string_view body) {
  const size_t object = SkipSpace(body, 0);
  if (object == body.size() || body[object] != '{') {
    return Fail(Code::kInvalidArgument, "body_not_json", "the body is not a JSON object");
  }
  const size_t begin = FindPlan(body, object);
  ShowBody split;
  if (begin >= body.size() || (body[begin] != '{' && body[begin] != '[')) {
    split.fields = body;
    return split;
  }
  const size_t end = SkipBrackets(body, begin);
  if (end == std::string_view::npos) {
    const auto lines = 1 + std::ranges::count(body.substr(begin), '\n');
    return Fail(Code::kInvalidArgument, "seating_plan_invalid",
                fmt::format("seating_plan: is not JSON: line {}: a bracket or string is not closed", lines));
  }
  split.plan = body.substr(begin, end - begin);
  // Nobody has read it yet, and it goes on as a string of the contract.
  if (!http::IsUtf8(split.plan)) {
    return Fail(Code::kInvalidArgument, "seating_plan_invalid", "seating_plan: is not UTF-8");
  }
  split.fields = fmt::format("{}{{}}{}", body.substr(0, begin), body.substr(end));
  return split;
}

}  // namespace boxoffice::gateway
