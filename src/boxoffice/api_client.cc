#include "boxoffice/api_client.h"

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "base/text.h"
#include "boxoffice/cluster.h"
#include "platform/auth/development.h"
#include "platform/config/keys.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

constexpr std::chrono::seconds kTokenLife{600};
constexpr size_t kMaxResponse = 64U << 20;

const SystemClock kClock;

// Where the `up --scaled` that runs on this folder serves; empty: none does.
std::string UrlOfCluster(const std::filesystem::path& data) {
  const auto described = DescribeCluster(data);
  if (!described) return {};
  return described->at("running").as_bool() ? TextOf(*described, "url") : std::string();
}

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

void AddUrlFlag(CLI::App& command, ApiOptions& options) {
  command.add_option("--url", options.url,
                     fmt::format("Where the system is; else where an `up --scaled` that runs on --data "
                                 "serves, else {}. Of https with an authority of your own: its PEM is the "
                                 "file that SSL_CERT_FILE names",
                                 kDefaultUrl));
}

void AddApiFlags(CLI::App& command, ApiOptions& options) {
  AddUrlFlag(command, options);
  command.add_option("--token", options.token,
                     "An operator's token; else one is made with the key in --data");
  AddDataFlag(command, options, "The data folder of the system");
}

void AddDataFlag(CLI::App& command, ApiOptions& options, const std::string& description) {
  command.add_option("--data", options.data, description)
      ->capture_default_str()
      ->each([&options](const std::string&) { options.data_named = true; });
}

Result<std::string> GatewayUrl(const ApiOptions& options) {
  std::string url = options.url.value_or("");
  if (!options.url && options.FolderIsItsOwn()) url = UrlOfCluster(options.data);
  if (!options.url && url.empty()) url = kDefaultUrl;
  while (url.ends_with('/')) url.pop_back();
  const auto parsed = http::ParseUrl(url);
  // A path in it would stand before that of each request.
  const bool is_root =
      parsed && url == fmt::format("{}://{}", parsed->secure ? "https" : "http", parsed->authority);
  if (is_root) return url;
  return Fail(Code::kInvalidArgument, "url_malformed",
              fmt::format("--url is http://HOST[:PORT] or https://HOST[:PORT], not \"{}\"",
                          config::MaskPassword(options.url.value_or(url))));
}

std::string NewIdempotencyKey() {
  SeededRandom random(SystemSeed());
  return Uuid::MakeV7(SystemClock().Now(), random).ToString();
}

Result<ApiClient> ApiClient::Make(const ApiOptions& options) {
  ApiClient client;
  BOXOFFICE_ASSIGN(client.url_, GatewayUrl(options));
  if (!options.token.empty()) {
    client.token_ = options.token;
  } else {
    BOXOFFICE_ASSIGN(const auth::TokenIssuer issuer, DevelopmentIssuer(options.data, "--token or --data"));
    BOXOFFICE_ASSIGN(client.token_, issuer.Issue("boxoffice-cli", auth::Role::kOperator, kTokenLife));
  }
  return client;
}

http::ClientRequest ApiClient::Request(std::string_view method, std::string_view path,
                                       std::chrono::milliseconds timeout) const {
  http::ClientRequest request;
  request.method = method;
  request.url = fmt::format("{}{}", url_, path);
  request.headers.emplace_back("Authorization", "Bearer " + token_);
  request.timeout = timeout;
  request.max_response = kMaxResponse;
  return request;
}

Result<http::ClientResponse> ApiClient::Send(std::string_view method, std::string_view path, std::string body,
                                             std::optional<std::string> key,
                                             std::chrono::milliseconds timeout,
                                             std::string_view content_type) const {
  http::ClientRequest request = Request(method, path, timeout);
  if (!body.empty()) request.headers.emplace_back("Content-Type", std::string(content_type));
  if (method == "POST") {
    request.headers.emplace_back("Idempotency-Key", key ? *std::move(key) : NewIdempotencyKey());
  }
  request.body = std::move(body);
  return http::FetchBlocking(std::move(request));
}

std::string TextOf(const boost::json::value& object, std::string_view name) {
  const boost::json::object* members = object.if_object();
  const boost::json::value* member = members != nullptr ? members->if_contains(name) : nullptr;
  if (member == nullptr || member->is_null()) return {};
  if (member->is_double()) return fmt::format("{:.6g}", member->as_double());
  return WithoutControls(member->is_string() ? std::string(member->as_string())
                                             : boost::json::serialize(*member));
}

std::string WithoutControls(std::string text) {
  for (size_t at = FindControl(text); at != std::string::npos; at = FindControl(text, at)) {
    text.replace(at, text[at] == '\xc2' ? 2 : 1, " ");
  }
  return text;
}

std::string DescribeProblem(const http::ClientResponse& response) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(response.body, error);
  if (error || !value.is_object()) return fmt::format("{}", response.status);
  const std::string detail = TextOf(value, "detail");
  return fmt::format("{} {}: {}", response.status, TextOf(value, "code"),
                     detail.empty() ? TextOf(value, "title") : detail);
}

}  // namespace boxoffice::cli
