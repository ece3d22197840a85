#include "platform/http/problem.h"

#include <string>

namespace boxoffice::http {
namespace {

// "seat_taken" → "Seat taken"
std::string Title(std::string_view reason) {
  std::string title(reason);
  for (char& c : title) {
    if (c == '_' || c == '.') c = ' ';
  }
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z') title[0] = static_cast<char>(title[0] - 32);
  return title;
}

constexpr std::string_view kProblem = "application/problem+json";

bool IsOurs(Code code) {
  return code == Code::kInternal || code == Code::kUnavailable || code == Code::kUnknown;
}

}  // namespace

int HttpStatus(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kConflict:
      return 409;
    case Code::kResourceExhausted:
      return error.reason == "overloaded" ? 503 : 429;
    case Code::kUnavailable:
      return 503;
    case Code::kUnknown:
      return 503;
    case Code::kInternal:
      return 500;
  }
  return 500;
}

Response ProblemResponse(const Problem& problem, const ProblemMembers& members) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("type", std::string("urn:boxoffice:problem:").append(problem.code));
  writer.Field("title", problem.title).Field("status", problem.status).Field("code", problem.code);
  if (!problem.detail.empty()) writer.Field("detail", problem.detail);
  if (members) members(writer);
  writer.EndObject();
  Response response;
  response.status = problem.status;
  response.content_type = kProblem;
  response.body = writer.Take();
  if (response.status == 401) response.headers.Add("WWW-Authenticate", "Bearer");
  if (response.status == 429 || response.status == 503) response.headers.Add("Retry-After", "1");
  return response;
}

Response ProblemResponse(const Error& error, int status, const ProblemMembers& members) {
  const std::string_view code = error.reason.empty() ? CodeName(error.code) : std::string_view(error.reason);
  const std::string title = Title(code);
  return ProblemResponse({.status = status != 0 ? status : HttpStatus(error),
                          .code = code,
                          .title = title,
                          .detail = IsOurs(error.code) ? std::string_view() : std::string_view(error.detail)},
                         members);
}

void AddRequestId(std::string_view id, Response& response) {
  constexpr std::string_view kMember = ",\"request_id\":\"";
  if (response.content_type != kProblem || !response.body.ends_with('}') || response.body.contains(kMember))
    return;
  response.body.pop_back();
  response.body.append(kMember).append(id).append("\"}");
}

}  // namespace boxoffice::http
