#include "gateway/gate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "gateway/refusals.h"
#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

constexpr int64_t kMaxRequests = 100'000'000;
constexpr int64_t kMaxStreams = 1'000'000;
constexpr std::string_view kStreamRetryAfterS = "10";
constexpr size_t kNetworkBytes = 8;  // of an IPv6 address

// The n-th from the right of a list with commas, without blanks; the first where there are fewer.
std::string_view FromTheRight(std::string_view list, uint32_t n) {
  std::string_view item;
  for (uint32_t i = 0; i < n; ++i) {
    const size_t comma = list.rfind(',');
    item = list.substr(comma == std::string_view::npos ? 0 : comma + 1);
    if (comma == std::string_view::npos) break;
    list = list.substr(0, comma);
  }
  while (item.starts_with(' ')) item.remove_prefix(1);
  while (item.ends_with(' ')) item.remove_suffix(1);
  return item;
}

// Some proxies write the port as well: "203.0.113.9:4711", "[2001:db8::1]:4711". It is another one for each
// connection, so that nobody would reach the limit.
std::string_view WithoutPort(std::string_view text) {
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  const size_t colon = text.find(':');
  const bool is_port = colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
  return is_port ? text.substr(0, colon) : text;
}

}  // namespace

void AddEdgeKeys(config::Keys& keys, EdgeConfig& config) {
  const std::chrono::milliseconds most{3'600'000};
  keys.Integer("limit.user_requests", config.user.requests, 0, kMaxRequests,
               "Requests of one user in a window, to each gateway; past it 429; 0: no limit");
  keys.Duration("limit.user_window_ms", config.user.window, std::chrono::milliseconds(1'000), most,
                "That window");
  keys.Integer(
      "limit.user_leaves", config.user_leaves, 0, kMaxRequests,
      "Places in queues and on waitlists that one user may give up in that window, to each gateway; past it "
      "429; 0: no limit");
  keys.Integer(
      "limit.user_reservations", config.user_reservations, 0, kMaxRequests,
      "Reservations that one user may ask for or confirm in that window, to each gateway; past it 429; 0: no "
      "limit");
  keys.Integer(
      "limit.user_lists", config.user_lists, 0, kMaxRequests,
      "Pages of one user's own reservations, waitlists and wallet entries, statements, and looks at what "
      "a cancellation gives back, in that window, to each gateway; past it 429; 0: no limit");
  keys.Integer("limit.address_requests", config.address.requests, 0, kMaxRequests,
               "Requests from one address in a window, to each gateway; past it 429; 0: no limit");
  keys.Duration("limit.address_window_ms", config.address.window, std::chrono::milliseconds(1'000), most,
                "That window");
  keys.Integer(
      "limit.user_streams", config.user_streams, 0, kMaxStreams,
      "Streams of a user's own place in a queue at a time, to each gateway; past it 429; 0: no limit");
  keys.Integer("limit.address_streams", config.address_streams, 0, kMaxStreams,
               "Streams to one address at a time, also those of seats; past it 429; 0: no limit");
  keys.Integer("limit.trusted_proxies", config.trusted_proxies, 0, 16,
               "Proxies in front that append to X-Forwarded-For; 0: the connection's address counts");
  keys.List("cors.origins", config.cors_origins,
            "Origins whose web pages may use the interface; * alone: any");
  keys.Path(
      "web.root", config.web_root,
      "The folder of the web app, built; empty: share/boxoffice/web beside the folder of this executable");
  keys.Switch("http.compress", config.compress,
              "Whether long answers are compressed for those who take gzip");
  keys.Switch("http.access_log", config.access_log, "Whether each request is logged, with its id");
  keys.Switch("session.development", config.development_sign_in,
              "Whether pages sign anybody in as anybody, where tokens are the development issuer's, it "
              "listens on 127.0.0.1 and limit.trusted_proxies is 0; false behind any proxy");
  keys.Switch(
      "wallet.self_service", config.self_service,
      "Whether buyers top up their wallets by themselves, without paying for it; false where money is "
      "real: then operators credit wallets by adjustments");
}

std::string AddressKey(const Request& request, uint32_t trusted_proxies) {
  std::string_view text = request.remote_address();
  // All lines of it: a proxy may add one of its own behind the one that the caller made up.
  const std::string forwarded = trusted_proxies > 0 ? request.header_list("X-Forwarded-For") : std::string();
  if (!forwarded.empty()) text = WithoutPort(FromTheRight(forwarded, trusted_proxies));
  namespace ip = boost::asio::ip;
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text), error);
  if (error || !address.is_v6()) return std::string(text);
  if (address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6()).to_string();
  const auto bytes = address.to_v6().to_bytes();
  return {reinterpret_cast<const char*>(bytes.data()), kNetworkBytes};
}

Result<std::unique_ptr<Gate>> Gate::Make(const EdgeConfig& config, CallerLimits& limits,
                                         boost::asio::any_io_executor executor, rpc::WorkerPool& computing,
                                         SharedBodies& bodies) {
  BOXOFFICE_ASSIGN(CrossOrigin cross_origin, CrossOrigin::Make(config.cors_origins));
  return std::unique_ptr<Gate>(
      new Gate(config, limits, std::move(cross_origin), std::move(executor), computing, bodies));
}

Gate::Gate(const EdgeConfig& config, CallerLimits& limits, CrossOrigin cross_origin,
           boost::asio::any_io_executor executor, rpc::WorkerPool& computing, SharedBodies& bodies)
    : config_(config),
      cross_origin_(std::move(cross_origin)),
      users_(limits.users),
      addresses_(limits.addresses),
      user_streams_(limits.user_streams),
      address_streams_(limits.address_streams),
      compressor_(std::move(executor), computing, bodies) {}

bool Gate::AdmitAddress(const Request& request, Pass& pass) {
  if (!addresses_.on()) return true;
  pass.address =
      addresses_.Take(AddressKey(request, config_.trusted_proxies), std::chrono::steady_clock::now());
  return pass.address->allowed;
}

bool Gate::AdmitUser(std::string_view user, Pass& pass) {
  if (!users_.on()) return true;
  pass.user = users_.Take(user, std::chrono::steady_clock::now());
  return pass.user->allowed;
}

void Gate::GiveBack(const Request& request, std::string_view user, const Pass& pass) {
  if (pass.address) addresses_.GiveBack(AddressKey(request, config_.trusted_proxies));
  if (pass.user) users_.GiveBack(user);
}

void Gate::Hold(const Request& request, std::string_view user, Response& response) const {
  if (!response.stream) return;
  std::shared_ptr<const void> of_user;
  std::shared_ptr<const void> of_address;
  const bool counts_user = user_streams_.on() && !user.empty();
  if (counts_user) of_user = user_streams_.Take(std::string(user));
  if (address_streams_.on()) of_address = address_streams_.Take(AddressKey(request, config_.trusted_proxies));
  const bool user_has_too_many = counts_user && of_user == nullptr;
  if (user_has_too_many || (address_streams_.on() && of_address == nullptr)) {
    response = RefusalResponse("too_many_streams", user_has_too_many ? "of this user" : "from this address");
    response.headers.Set("Retry-After", kStreamRetryAfterS);
    return;
  }
  // Kept by what makes the stream, which lives as long as it.
  response.stream = [of_user, of_address, body = std::move(response.stream)](http::SseStream& stream) {
    return body(stream);
  };
}

Response Gate::TooMany(const Pass& pass) {
  const RateVerdict& verdict = pass.user ? *pass.user : *pass.address;
  Response response = RefusalResponse("rate_limited", pass.user ? "of this user" : "from this address");
  response.headers.Set("Retry-After", std::to_string(verdict.retry_after_s));
  return response;
}

void Gate::Describe(const Pass& pass, Response& response) const {
  if (pass.user && pass.address) {
    response.headers.Add("RateLimit-Policy", fmt::format("{}, {}", users_.policy(), addresses_.policy()));
    response.headers.Add(
        "RateLimit", fmt::format("{}, {}", users_.Describe(*pass.user), addresses_.Describe(*pass.address)));
  } else if (pass.user) {
    response.headers.Add("RateLimit-Policy", users_.policy());
    response.headers.Add("RateLimit", users_.Describe(*pass.user));
  } else if (pass.address) {
    response.headers.Add("RateLimit-Policy", addresses_.policy());
    response.headers.Add("RateLimit", addresses_.Describe(*pass.address));
  }
}

void Gate::Finish(const Request& request, Response& response) const {
  cross_origin_.AddTo(request, response);
  response.headers.Add("X-Content-Type-Options", "nosniff");
  // What is not there may be there in a moment: a cache that guesses would go on saying 404 when a sale
  // opens.
  if (response.status >= 400 && !response.headers.Find("Cache-Control"))
    response.headers.Add("Cache-Control", "no-store");
  constexpr int kUnavailable = 503;  // said of others' faults, and as often as buyers ask
  const obs::Level level = config_.access_log ? obs::Level::kInfo : obs::Level::kDebug;
  if (obs::Logs(level)) {
    obs::Log(level, "request",
             {{"method", http::MethodName(request.method())},
              {"path", request.path()},
              {"status", response.status},
              {"request_id", request.request_id()},
              {"address", request.remote_address()}},
             request.traceparent());
  } else if (response.status >= 500 && response.status != kUnavailable) {
    obs::Log(obs::Level::kError, "request_failed",
             {{"method", http::MethodName(request.method())},
              {"path", request.path()},
              {"status", response.status},
              {"request_id", request.request_id()}},
             request.traceparent());
  }
}

}  // namespace boxoffice::gateway
