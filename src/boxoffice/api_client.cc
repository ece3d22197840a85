#include "boxoffice/api_client.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "platform/auth/development.h"

namespace boxoffice::cli {
namespace {

constexpr std::chrono::seconds kTokenLife{600};
constexpr size_t kMaxResponse = 64U << 20;

const SystemClock kClock;

}  // namespace

Result<auth::TokenIssuer> DevelopmentIssuer(const std::filesystem::path& data, std::string_view instead) {
  std::error_code error;  // such as that one may not look there, which reading the key tells
  if (!std::filesystem::exists(data / "keys" / "jwt.key", error) && !error) {
    return Fail(
        Code::kInvalidArgument, "no_token",
        fmt::format("{} is not the data folder of a development system; give {}", data.string(), instead));
  }
  BOXOFFICE_ASSIGN(const auth::TokenConfig config, auth::DevelopmentTokens(data));
  return auth::TokenIssuer::Make(config, kClock);
}

void AddApiFlags(CLI::App& command, ApiOptions& options) {
  command.add_option("--url", options.url, "Where the system is")->capture_default_str();
  CLI::Option* token = command.add_option("--token", options.token, "An operator's token");
  command
      .add_option("--data", options.data,
                  "Or the data folder of a development system, to make one with its key")
      ->capture_default_str()
      ->excludes(token);
}

std::string NewIdempotencyKey() {
  SeededRandom random(SystemSeed());
  return Uuid::MakeV7(SystemClock().Now(), random).ToString();
}

Result<ApiClient> ApiClient::Make(const ApiOptions& options) {
  ApiClient client;
  client.url_ = options.url;
  while (client.url_.ends_with('/')) client.url_.pop_back();
  if (!http::IsUrl(client.url_)) {
    return Fail(Code::kInvalidArgument, "url_malformed",
                fmt::format("--url is http://HOST[:PORT] or https://HOST[:PORT], not \"{}\"", options.url));
  }
  if (!options.token.empty()) {
    client.token_ = options.token;
  } else {
    BOXOFFICE_ASSIGN(const auth::TokenIssuer issuer, DevelopmentIssuer(options.data, "--token or --data"));
    BOXOFFICE_ASSIGN(client.token_, issuer.Issue("boxoffice-cli", auth::Role::kOperator, kTokenLife));
  }
  return client;
}

Result<http::ClientResponse> ApiClient::Send(std::string_view method, std::string_view path, std::string body,
                                             std::optional<std::string> key, std::chrono::seconds timeout,
                                             std::string_view content_type) const {
  http::ClientRequest request;
  request.method = method;
  request.url = fmt::format("{}{}", url_, path);
  request.headers.emplace_back("Authorization", "Bearer " + token_);
  if (!body.empty()) request.headers.emplace_back("Content-Type", std::string(content_type));
  if (method == "POST") {
    request.headers.emplace_back("Idempotency-Key", key ? *std::move(key) : NewIdempotencyKey());
  }
  request.body = std::move(body);
  request.timeout = timeout;
  request.max_response = kMaxResponse;
  return http::FetchBlocking(std::move(request));
}

std::string DescribeProblem(const http::ClientResponse& response) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(response.body, error);
  if (error || !value.is_object()) return fmt::format("{}", response.status);
  const auto text = [&value](std::string_view name) -> std::string {
    const boost::json::value* member = value.as_object().if_contains(name);
    return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
  };
  const std::string detail = text("detail");
  return fmt::format("{} {}: {}", response.status, text("code"), detail.empty() ? text("title") : detail);
}

}  // namespace boxoffice::cli
